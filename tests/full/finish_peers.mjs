/*
 * unfake.js' own search for a grid and way down to it, without a browser; for finish_peers.py.
 *
 *     node finish_peers.mjs CHECKOUT/browser-tool/lib < names
 *
 * For each NAME on stdin (raw RGBA behind width and height as 32-bit numbers) writes NAME.out, the same
 * way, and prints the milliseconds of processor time. What it asks of OpenCV (grey, Sobel, mean and deviation) is done
 * here by OpenCV's formulas; colours are left as they are, so image-q is not needed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

register('data:text/javascript,' + encodeURIComponent(`
    export async function resolve(name, context, next) {
        return name === 'image-q' || name === 'svd'
            ? { url: 'data:text/javascript,export default null', format: 'module', shortCircuit: true }
            : next(name, context);
    }
    export async function load(url, context, next) {
        return next(url, url.endsWith('.js') ? { ...context, format: 'module' } : context);
    }`));

class Mat {
    constructor(rows = 0, cols = 0, channels = 1, data = null) {
        Object.assign(this, { rows, cols, channels, data });
    }
    roi({ x, y, width, height }) {
        const n = this.channels, part = new Mat(height, width, n, new this.data.constructor(width * height * n));
        for (let row = 0; row < height; row++) {
            const from = ((y + row) * this.cols + x) * n;
            part.data.set(this.data.subarray(from, from + width * n), row * width * n);
        }
        return part;
    }
    clone() { return this; }
    delete() {}
    get data32F() { return this.data; }
    get data64F() { return this.data; }
}

const mirror = (i, n) => n === 1 ? 0 : i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
const canvases = { shown: null };
globalThis.cv = {
    Mat, CV_32F: 5, COLOR_RGBA2GRAY: 11,
    Rect: class { constructor(x, y, width, height) { Object.assign(this, { x, y, width, height }); } },
    getBuildInformation: () => '',
    matFromImageData: (m) => new Mat(m.height, m.width, 4, m.data),
    cvtColor(from, to) {
        const n = from.rows * from.cols, p = from.data, grey = new Uint8Array(n);
        for (let i = 0; i < n; i++)
            grey[i] = (p[4 * i] * 4899 + p[4 * i + 1] * 9617 + p[4 * i + 2] * 1868 + 8192) >> 14;
        Object.assign(to, new Mat(from.rows, from.cols, 1, grey));
    },
    meanStdDev(m, mean, deviation) {
        let sum = 0, squares = 0;
        for (const v of m.data) { sum += v; squares += v * v; }
        const n = m.data.length, middle = sum / n;
        mean.data = new Float64Array([middle]);
        deviation.data = new Float64Array([Math.sqrt(Math.max(0, squares / n - middle * middle))]);
    },
    Sobel(m, to, type, dx) {
        const { rows, cols, data } = m, out = new Float32Array(rows * cols), weight = [1, 2, 1];
        for (let y = 0; y < rows; y++)
            for (let x = 0; x < cols; x++) {
                let sum = 0;
                for (let k = -1; k <= 1; k++) {
                    const at = (px, py) => data[mirror(py, rows) * cols + mirror(px, cols)];
                    sum += weight[k + 1] * (dx ? at(x + 1, y + k) - at(x - 1, y + k)
                                               : at(x + k, y + 1) - at(x + k, y - 1));
                }
                out[y * cols + x] = sum;
            }
        Object.assign(to, new Mat(rows, cols, 1, out));
    },
    imshow(canvas, m) { canvas.image = { width: m.cols, height: m.rows, data: new Uint8ClampedArray(m.data) }; },
};
globalThis.ImageData = class { constructor(data, width, height) { Object.assign(this, { data, width, height }); } };
globalThis.OffscreenCanvas = class {
    getContext() { return { drawImage: (m) => { this.image = m; }, getImageData: () => this.image }; }
};
globalThis.document = { createElement: () => new OffscreenCanvas() };
globalThis.createImageBitmap = async (file) => file.image;
globalThis.window = { UPNG: { encode: () => new ArrayBuffer(8) } };
const print = console.log;
console.log = console.warn = console.info = () => {};

const { processImage } = await import(pathToFileURL(process.argv[2] + '/pixel.js'));
for await (const name of createInterface({ input: process.stdin })) {
    const bytes = readFileSync(name), width = bytes.readUInt32LE(0), height = bytes.readUInt32LE(4);
    const image = { width, height, data: new Uint8ClampedArray(bytes.subarray(8)) };
    const start = process.cpuUsage();
    let out = null;
    try {
        out = (await processImage({ file: { name, size: 1, image }, maxColors: 256 })).imageData;
    } catch (error) {
        process.stderr.write(`${name}: ${error.message}\n`);
        out = { width: 1, height: 1, data: new Uint8ClampedArray(4) };
    }
    const used = process.cpuUsage(start), ms = (used.user + used.system) / 1000;
    const head = Buffer.alloc(8);
    head.writeUInt32LE(out.width, 0);
    head.writeUInt32LE(out.height, 4);
    writeFileSync(name + '.out', Buffer.concat([head, Buffer.from(out.data)]));
    print(ms.toFixed(3));
}
