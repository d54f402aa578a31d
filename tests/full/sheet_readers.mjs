/*
 * Sheets of spritty's, read by readers of other people: frames, times, tags and pivots.
 *
 *     make build/spritty
 *     node tests/full/sheet_readers.mjs [--spritty build/spritty] [--asefa CHECKOUT]
 *         [--phina-loader CHECKOUT --phina CHECKOUT]
 *
 * The checkouts are of pentamania/asefa and pentamania/phina-aseprite-loader (both on npm under these
 * names) and of the engine that the second one is for, phinajs/phina.js. They stay where they are;
 * esbuild makes one file of each reader and its own code runs in node. A checkout that is not given
 * is said to be missing; without any nothing is read, and the exit status says so (77).
 *
 * Frames are drawn here, each with its feet in another place. Every combination of packing and format
 * is read by every reader; what it says is held to what was drawn. A pivot is read by Aseprite's
 * rule: it holds from its key's frame on, relative to the key's bounds in the untrimmed frame.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { deflateSync } from 'node:zlib';
import vm from 'node:vm';

const DURATION = 120;
/* name, width, height, and the drawn rectangle: left, right (exclusive), top, bottom (exclusive) */
const DRAWN = [
    ['walk-0.png', 16, 24, 3, 9, 2, 23], ['walk-1.png', 16, 24, 6, 14, 4, 24],
    ['walk-2.png', 20, 30, 2, 18, 9, 27], ['idle-0.png', 12, 12, 1, 5, 1, 11],
    ['idle-1.png', 12, 16, 4, 10, 0, 16],
];

const options = { spritty: 'build/spritty' };
for (let i = 2; i + 1 < process.argv.length; i += 2)
    options[process.argv[i].replace(/^--/, '')] = process.argv[i + 1];

/* ---- the frames ---- */

function crc(bytes) {
    let c = ~0;
    for (const byte of bytes) {
        c ^= byte;
        for (let k = 0; k < 8; k++)
            c = c >>> 1 ^ (c & 1 ? 0xedb88320 : 0);
    }
    return ~c >>> 0;
}

function chunk(type, data) {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]), out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
}

function png([, width, height, left, right, top, bottom]) {
    const rows = Buffer.alloc(height * (4 * width + 1)), head = Buffer.alloc(13);
    head.writeUInt32BE(width, 0);
    head.writeUInt32BE(height, 4);
    head.set([8, 6, 0, 0, 0], 8);
    for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++)
            rows.set([40, 160, 90, 255], y * (4 * width + 1) + 1 + 4 * x);
    return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head),
        chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

/* ---- the readers: each a function from the JSON to {frames, tags, pivots} ---- */

function bundle(entry, out, format, more) {
    execFileSync('esbuild', [entry, '--bundle', `--format=${format}`, `--outfile=${out}`,
        '--log-level=error', ...more]);
    return out;
}

async function asefa(checkout, folder) {
    const file = bundle(join(checkout, 'src/index.ts'), join(folder, 'asefa.mjs'), 'esm', []);
    const { Spritesheet } = await import(pathToFileURL(file));
    return json => {
        const sheet = Spritesheet.create(json);
        return {
            frames: sheet.frames.map(f => ({ ...f })),
            tags: Object.fromEntries(Object.entries(sheet.animations).map(([k, v]) => [k, v.frames])),
            pivots: sheet.frames.map((_, i) => sheet.getSliceData('pivot', i)).map(k =>
                ({ x: k.bounds.x + k.pivot.x, y: k.bounds.y + k.pivot.y })),
        };
    };
}

/* The engine's own core and the loader in one context with as much of a browser as they ask for
 * before anything is drawn. The loader's asset has `pivot`, of the first frame, and slice data. */
async function phina(loader, engine, folder) {
    const nothing = new Proxy(function () {}, {
        get: (_, key) => key === Symbol.toPrimitive ? () => 0 : key === 'prototype' ? {} : nothing,
        set: () => true, apply: () => nothing, construct: () => nothing });
    const file = bundle(join(loader, 'src/index.js'), join(folder, 'phina.js'), 'iife',
        ['--external:phina.js']);
    const context = vm.createContext({ console, setTimeout, clearTimeout, document: nothing,
        navigator: { userAgent: '' }, location: { search: '' }, Image: nothing, Event: nothing,
        HTMLElement: nothing, CanvasRenderingContext2D: { prototype: {} }, performance });
    context.window = context.self = context.global = context;
    context.addEventListener = () => {};
    vm.runInContext(readFileSync(join(engine, 'build/phina.js'), 'utf8'), context);
    context.require = () => ({ default: context.phina, __esModule: true });
    vm.runInContext(readFileSync(file, 'utf8'), context);
    return json => {
        context.text = JSON.stringify(json);
        const said = vm.runInContext(`(() => {
            const asset = phina.asset.AsepriteSpriteSheet().setup(JSON.parse(text));
            const tags = {};
            for (const name of Object.keys(asset.animations))
                if (name !== 'default')
                    tags[name] = asset.getAnimation(name).frames;
            const pivots = asset.frames.map((_, i) => asset.getSliceData('pivot', i)).map(k =>
                ({ x: k.bounds.x + k.pivot.x, y: k.bounds.y + k.pivot.y }));
            return JSON.stringify({ frames: asset.frames, tags, pivots, first: asset.pivot });
        })()`, context);
        const { first, ...rest } = JSON.parse(said);
        if (first.x !== rest.pivots[0].x || first.y !== rest.pivots[0].y)
            throw Error(`its pivot is ${JSON.stringify(first)}, the first frame's is not`);
        return rest;
    };
}

/* ---- what it should say ---- */

/* Each frame's rectangle is in the sheet's picture where it says, so what is compared here is what
 * a reader must not lose: sizes, times, order, tags, feet. */
function expected(tight) {
    const cell = [Math.max(...DRAWN.map(d => d[1])), Math.max(...DRAWN.map(d => d[2]))];
    const tags = { walk: [0, 1, 2], idle: [3, 4] };
    const frames = DRAWN.map(([, w, h, l, r, t, b]) => tight ? [r - l, b - t] : cell);
    const pivots = DRAWN.map(([, w, h, l, r, t, b]) => ({
        x: Math.floor((l + r) / 2) + (tight ? 0 : Math.floor((cell[0] - w) / 2)),
        y: b + (tight ? 0 : cell[1] - h) }));
    return { frames, tags, pivots };
}

function differences(said, tight) {
    const want = expected(tight), wrong = [];
    const same = (what, a, b) => JSON.stringify(a) === JSON.stringify(b) ||
        wrong.push(`${what}: ${JSON.stringify(a)}, not ${JSON.stringify(b)}`);
    same('sizes', said.frames.map(f => [f.width, f.height]), want.frames);
    same('times', said.frames.map(f => f.duration), DRAWN.map(() => DURATION));
    same('tags', said.tags, want.tags);
    same('pivots', said.pivots.map(p => [p.x, p.y]), want.pivots.map(p => [p.x, p.y]));
    return wrong;
}

/* ---- the whole ---- */

const folder = mkdtempSync(join(tmpdir(), 'sheets-'));
let read = 0, failed = 0;
try {
    const paths = DRAWN.map(d => join(folder, d[0]));
    DRAWN.forEach((d, i) => writeFileSync(paths[i], png(d)));
    const readers = [];
    if (options.asefa)
        readers.push(['asefa', await asefa(resolve(options.asefa), folder)]);
    else
        console.log('asefa: no checkout given (--asefa), not run');
    if (options['phina-loader'] && options.phina)
        readers.push(['phina-aseprite-loader',
            await phina(resolve(options['phina-loader']), resolve(options.phina), folder)]);
    else
        console.log('phina-aseprite-loader: no checkouts given (--phina-loader, --phina), not run');
    for (const packing of ['grid', 'tight'])
        for (const format of ['hash', 'array']) {
            const out = join(folder, `${packing}-${format}.png`);
            execFileSync(options.spritty, ['sheet', ...paths, '--pack', packing, '--format', format,
                '--duration', String(DURATION), '-o', out, '-q'], { stdio: ['ignore', 'ignore', 'inherit'] });
            const json = JSON.parse(readFileSync(out.replace(/png$/, 'json'), 'utf8'));
            for (const [name, reader] of readers) {
                const said = reader(json), wrong = differences(said, packing === 'tight');
                read++, failed += wrong.length > 0;
                console.log(`${name}, ${packing}, ${format}: ${said.frames.length} frames, tags ` +
                    Object.entries(said.tags).map(([k, v]) => `${k} ${v.join(' ')}`).join(', ') +
                    `; pivots ${said.pivots.map(p => `${p.x},${p.y}`).join(' ')}: ` +
                    (wrong.length ? 'WRONG ' + wrong.join('; ') : 'as drawn'));
            }
        }
} finally {
    rmSync(folder, { recursive: true });
}
console.log(`${read} read, ${failed} wrong`);
process.exit(failed ? 1 : read ? 0 : 77);
