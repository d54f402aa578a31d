/*
 * Subgraphs and group nodes in ComfyUI's editor's form: the same settings as from the API's form of
 * the same workflow, which here is written as ComfyUI_frontend's code writes it (executionUtil.ts,
 * ExecutableNodeDTO.ts, SubgraphNode.ts, groupNode.ts): each node inside with the path to it as its
 * id, each link through a border led to the node behind it, each value of a host put into the node
 * that it belongs to. And files that try to make much out of little.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_graph.h"
#include "import/comfy_nodes.h"

/* "<clip=1 text*=2 seed*=null>": the inputs of a node, those with a star have a widget. Returns
 * what follows. */
static const char *put_rows(FILE *f, const char *s)
{
    char name[40], link[8];
    int n;
    fputc('[', f);
    for (bool first = true; *s != '>'; s += n, first = false) {
        assert_int_equal(sscanf(s, " %39[^=]=%7[^ >]%n", name, link, &n), 2);
        char *star = strchr(name, '*');
        if (star)
            *star = '\0';
        fprintf(f, "%s{\"name\":\"%s\",\"type\":\"*\",\"link\":%s", first ? "" : ",", name, link);
        if (star)
            fprintf(f, ",\"widget\":{\"name\":\"%s\"}", name);
        fputc('}', f);
    }
    fputc(']', f);
    return s;
}

/* "(1:3.0/8.1 ...)": links of a subgraph; 1 is from 3's output 0 to 8's input 1. */
static const char *put_links(FILE *f, const char *s)
{
    int id, from, to, a, b, n;
    fputc('[', f);
    for (bool first = true; *s != ')'; s += n, first = false) {
        assert_int_equal(sscanf(s, " %d:%d.%d/%d.%d%n", &id, &from, &a, &to, &b, &n), 5);
        fprintf(f,
                "%s{\"id\":%d,\"origin_id\":%d,\"origin_slot\":%d,\"target_id\":%d,"
                "\"target_slot\":%d}",
                first ? "" : ",", id, from, a, to, b);
    }
    fputc(']', f);
    return s;
}

/* JSON in short: besides those two, ' for " and $T for the id of a subgraph. Malloc'd. */
static char *expand(const char *s)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (; *s; s++)
        if (*s == '<')
            s = put_rows(f, s + 1);
        else if (*s == '(')
            s = put_links(f, s + 1);
        else if (*s == '$')
            fprintf(f, "11111111-0000-4000-8000-0000000000%02x", *++s);
        else
            fputc(*s == '\'' ? '"' : *s, f);
    fclose(f);
    return text;
}

static int import(const char *text, struct recipe *r, struct err *e)
{
    char *json = expand(text);
    *r = (struct recipe){.count = 0};
    int rc = comfy_import(json, strlen(json), "test.json", r, e);
    free(json);
    return rc;
}

static void same(const char *editor, const char *api)
{
    struct recipe a, b;
    struct err e = {""};
    if (import(editor, &a, &e) || import(api, &b, &e))
        fail_msg("%s", e.text);
    if (a.notes || b.notes)
        fail_msg("%s", a.notes ? a.note[0] : b.note[0]);
    assert_int_equal(a.count, b.count);
    for (int i = 0; i < a.count; i++) {
        const char *other = recipe_get(&b, a.at[i].key);
        if (!other || strcmp(other, a.at[i].value) != 0)
            fail_msg("%s is '%s', in the API's form '%s'", a.at[i].key, a.at[i].value,
                     other ? other : "(unsaid)");
    }
    recipe_free(&a);
    recipe_free(&b);
}

/* A prompt: clip and text come in. */
#define TEXT                                                                                       \
    "{'id':'$T','inputs':[{'name':'clip'},{'name':'words'}],'outputs':[{'name':'c'}],"             \
    "'nodes':[{'id':6,'type':'CLIPTextEncode','inputs':<clip=1 text*=2>,"                          \
    "'widgets_values':['as it was made']}],'links':(1:-10.0/6.0 2:-10.1/6.1 3:6.0/-20.0)}"
/* Decoding, in the one below: its second output is what came in. */
#define LAST                                                                                       \
    "{'id':'$L','inputs':[{'name':'samples'},{'name':'vae'}],"                                     \
    "'outputs':[{'name':'IMAGE'},{'name':'vae'}],"                                                 \
    "'nodes':[{'id':8,'type':'VAEDecode','inputs':<samples=1 vae=2>}],"                            \
    "'links':(1:-10.0/8.0 2:-10.1/8.1 3:8.0/-20.0 4:-10.1/-20.1)}"
/* A sampler and what is behind it; two prompts from outside, seed and steps are the host's. */
#define STAGE                                                                                      \
    "{'id':'$S','inputs':[{'name':'model'},{'name':'positive'},{'name':'negative'},"               \
    "{'name':'seed'},{'name':'vae'},{'name':'steps'}],'outputs':[{'name':'IMAGE'}],"               \
    "'nodes':[{'id':3,'type':'KSampler',"                                                          \
    "'inputs':<model=1 positive=2 negative=3 latent_image=9 seed*=4 steps*=6>,"                    \
    "'widgets_values':[1,'randomize',20,7,'euler','normal',1]},"                                   \
    "{'id':5,'type':'EmptyLatentImage','widgets_values':[640,512,1]},"                             \
    "{'id':9,'type':'$L','inputs':<samples=7 vae=8>}],"                                            \
    "'links':(1:-10.0/3.0 2:-10.1/3.1 3:-10.2/3.2 4:-10.3/3.4 6:-10.5/3.5 7:3.0/9.0 8:-10.4/9.1 "  \
    "9:5.0/3.3 10:9.0/-20.0)}"
/* The workflow: a checkpoint, two uses of TEXT, STAGE, a saver. */
#define WORKFLOW(host_one, host_two, stage)                                                        \
    "{'nodes':[{'id':1,'type':'CheckpointLoaderSimple','widgets_values':['base.safetensors']},"    \
    "{'id':20,'type':'$T','inputs':<clip=1>," host_one "},"                                        \
    "{'id':21,'type':'$T','inputs':<clip=2>," host_two "},"                                        \
    "{'id':30,'type':'$S','inputs':<model=3 positive=4 negative=5 vae=6>," stage "},"              \
    "{'id':40,'type':'SaveImage','inputs':<images=7>}],"                                           \
    "'links':[[1,1,1,20,0,'CLIP'],[2,1,1,21,0,'CLIP'],[3,1,0,30,0,'MODEL'],[4,20,0,30,1,'C'],"     \
    "[5,21,0,30,2,'C'],[6,1,2,30,3,'VAE'],[7,30,0,40,0,'IMAGE']],"                                 \
    "'definitions':{'subgraphs':[" STAGE "," LAST "," TEXT "]}}"

#define API(one, two, seed, steps)                                                                 \
    "{'1':{'class_type':'CheckpointLoaderSimple','inputs':{'ckpt_name':'base.safetensors'}},"      \
    "'20:6':{'class_type':'CLIPTextEncode','inputs':{'text':'" one "','clip':['1',1]}},"           \
    "'21:6':{'class_type':'CLIPTextEncode','inputs':{'text':'" two "','clip':['1',1]}},"           \
    "'30:3':{'class_type':'KSampler','inputs':{'seed':" seed ",'steps':" steps ",'cfg':7,"         \
    "'sampler_name':'euler','scheduler':'normal','denoise':1,'model':['1',0],"                     \
    "'positive':['20:6',0],'negative':['21:6',0],'latent_image':['30:5',0]}},"                     \
    "'30:5':{'class_type':'EmptyLatentImage','inputs':{'width':640,'height':512,"                  \
    "'batch_size':1}},'30:9:8':{'class_type':'VAEDecode','inputs':{'samples':['30:3',0],"          \
    "'vae':['1',2]}},'40':{'class_type':'SaveImage','inputs':{'images':['30:9:8',0]}}}"

static void test_subgraphs(void **state)
{
    (void)state;
    /* Values of each host, in the order of its inputs that have a widget inside; one without any
     * keeps what it was made with. */
    same(WORKFLOW("'widgets_values':['a cat']", "'widgets_values':['bad']",
                  "'widgets_values':[77,12]"),
         API("a cat", "bad", "77", "12"));
    same(WORKFLOW("'widgets_values':['a cat']", "'mode':0", "'widgets_values':[77,'fixed',12]"),
         API("a cat", "as it was made", "77", "12"));
    /* As the frontend had it before: a list of whose values a host's own are; by the name of its
     * input, by node and name within, and with holes, where the node's own value counts. */
    same(WORKFLOW("'properties':{'proxyWidgets':[['-1','words']]},'widgets_values':['a cat']",
                  "'properties':{'proxyWidgets':[['6','text']]},'widgets_values':['bad']",
                  "'properties':{'proxyWidgets':[['3','cfg'],['3','seed'],['3','steps']]},"
                  "'widgets_values':[null,5]"),
         API("a cat", "bad", "5", "20"));
    same(WORKFLOW("'properties':{'proxyWidgets':[['6','text']]},'widgets_values':[]", "'mode':0",
                  "'properties':{'proxyWidgets':[['3','seed'],['5','width'],['5','height']]},"
                  "'widgets_values':[3,640,512]"),
         API("as it was made", "as it was made", "3", "20"));
}

/* A host's input that is linked; a host that is bypassed, and one that is muted. */
#define LINKED(mode, words)                                                                        \
    "{'nodes':[{'id':1,'type':'CheckpointLoaderSimple','widgets_values':['base.safetensors']},"    \
    "{'id':2,'type':'PrimitiveString','widgets_values':['from afar']},"                            \
    "{'id':20,'type':'$T','inputs':<words*=" words " clip=1>,'widgets_values':['unused']},"        \
    "{'id':3,'type':'KSampler','inputs':<model=2 positive=3 negative=3 latent_image=5>,"           \
    "'widgets_values':[1,'randomize',20,7,'euler','normal',1]},"                                   \
    "{'id':5,'type':'EmptyLatentImage','widgets_values':[640,512,1]},"                             \
    "{'id':9,'type':'$L','mode':" mode ",'inputs':[{'name':'samples','type':'IMAGE','link':6}],"   \
    "'outputs':[{'name':'IMAGE','type':'IMAGE'}]},"                                                \
    "{'id':8,'type':'VAEDecode','inputs':<samples=7>},"                                            \
    "{'id':40,'type':'SaveImage','inputs':<images=8>}],"                                           \
    "'links':[[1,1,1,20,1,'CLIP'],[2,1,0,3,0,'M'],[3,20,0,3,1,'C'],[4,2,0,20,0,'STRING'],"         \
    "[5,5,0,3,3,'L'],[6,8,0,9,0,'IMAGE'],[7,3,0,8,0,'L'],[8,9,0,40,0,'IMAGE']],"                   \
    "'definitions':{'subgraphs':[" TEXT "," LAST "]}}"

static void test_hosts(void **state)
{
    (void)state;
    struct recipe r;
    struct err e = {""};
    assert_int_equal(import(LINKED("4", "4"), &r, &e), 0);
    assert_string_equal(recipe_get(&r, "prompt"), "from afar");
    assert_int_equal(r.notes, 0);
    recipe_free(&r);
    /* Muted, so the saver gets nothing; the decoder is an output of its own. Without the link the
     * host's own value counts. */
    assert_int_equal(import(LINKED("2", "null"), &r, &e), 0);
    assert_string_equal(recipe_get(&r, "prompt"), "unused");
    recipe_free(&r);
}

/* Groups, as they were before subgraphs: one that holds all but the latent and the seed. */
#define GROUP(type, seed, host_seed, values, external, slot)                                       \
    "{'nodes':[{'id':10,'type':'" type "','inputs':<latent_image=7" host_seed ">,"                 \
    "'widgets_values':[" values "]},"                                                              \
    "{'id':20,'type':'EmptyLatentImage','widgets_values':[640,512,1]},"                            \
    "{'id':21,'type':'PrimitiveInt','widgets_values':[99,'fixed']},"                               \
    "{'id':40,'type':'SaveImage','inputs':<images=8>}],"                                           \
    "'links':[[7,20,0,10,0,'L'],[8,10," slot ",40,0,'I'],[9,21,0,10,1,'INT']],"                    \
    "'extra':{'groupNodes':{'all of it':{'nodes':["                                                \
    "{'id':-1,'type':'CheckpointLoaderSimple','outputs':[{},{},{}],"                               \
    "'widgets_values':['base.safetensors']},"                                                      \
    "{'id':-1,'type':'CLIPTextEncode','inputs':<clip=null>,'outputs':[{}],"                        \
    "'widgets_values':['old']},"                                                                   \
    "{'id':-1,'type':'CLIPTextEncode','inputs':<clip=null>,'outputs':[{}],"                        \
    "'widgets_values':['old bad']},"                                                               \
    "{'id':-1,'type':'KSampler','inputs':<model=null positive=null negative=null "                 \
    "latent_image=null" seed ">,'outputs':[{}],"                                                   \
    "'widgets_values':[1,'randomize',20,7,'euler','normal',1]},"                                   \
    "{'id':-1,'type':'VAEDecode','inputs':<samples=null vae=null>,'outputs':[{}]}],"               \
    "'links':[[0,1,1,0,9,'CLIP'],[0,1,2,0,9,'CLIP'],[0,0,3,0,9,'MODEL'],[1,0,3,1,9,'C'],"          \
    "[2,0,3,2,9,'C'],[3,0,4,0,9,'L'],[0,2,4,1,9,'VAE']],'external':[" external "]}}}}"
#define GROUP_API                                                                                  \
    "{'10:0':{'class_type':'CheckpointLoaderSimple','inputs':{'ckpt_name':"                        \
    "'other.safetensors'}},'10:1':{'class_type':'CLIPTextEncode','inputs':{'text':'a cat',"        \
    "'clip':['10:0',1]}},'10:2':{'class_type':'CLIPTextEncode','inputs':{'text':'bad','clip':"     \
    "['10:0',1]}},'10:3':{'class_type':'KSampler','inputs':{'seed':['21',0],'steps':12,'cfg':6,"   \
    "'sampler_name':'heun','scheduler':'karras','denoise':1,'model':['10:0',0],'positive':"        \
    "['10:1',0],'negative':['10:2',0],'latent_image':['20',0]}},"                                  \
    "'20':{'class_type':'EmptyLatentImage','inputs':{'width':640,'height':512,'batch_size':1}},"   \
    "'21':{'class_type':'PrimitiveInt','inputs':{'value':99}},'10:4':{'class_type':'VAEDecode',"   \
    "'inputs':{'samples':['10:3',0],'vae':['10:0',2]}},"                                           \
    "'40':{'class_type':'SaveImage','inputs':{'images':['10:4',0]}}}"
#define SEED_LAST "'other.safetensors','a cat','bad',12,6,'heun','karras',1,5,'fixed'"

static void test_group_nodes(void **state)
{
    (void)state;
    struct recipe r;
    struct err e = {""};
    assert_int_equal(import(GROUP("workflow>all of it", "", "",
                                  "'other.safetensors','a cat','bad',5,'fixed',12,6,'heun',"
                                  "'karras',1",
                                  "", "0"),
                            &r, &e),
                     0);
    assert_string_equal(recipe_get(&r, "seed"), "5");
    assert_int_equal(r.notes, 1); /* 21 is not used */
    recipe_free(&r);
    /* The seed made an input, linked from outside: its value comes last. The checkpoint's model
     * goes outside as well, and so is the first output. */
    same(GROUP("workflow/all of it", " seed*=null", " seed*=9", SEED_LAST, "[0,0,'MODEL']", "1"),
         GROUP_API);
    /* Not linked: then that value counts. */
    assert_int_equal(
        import(GROUP("workflow>all of it", " seed*=null", "", SEED_LAST, "", "0"), &r, &e), 0);
    assert_string_equal(recipe_get(&r, "seed"), "5");
    assert_string_equal(recipe_get(&r, "steps"), "12");
    recipe_free(&r);
    /* Values that are too few, or too many, are not guessed at. */
    assert_int_equal(import(GROUP("workflow>all of it", "", "", "'x','a cat'", "", "0"), &r, &e),
                     0);
    assert_string_equal(recipe_get(&r, "prompt"), "old");
    assert_non_null(strstr(r.note[0], "has values that could not be told apart"));
    recipe_free(&r);
}

/* `n` definitions, each of which holds `each` uses of the next; the last holds `last`. Malloc'd. */
static char *nested(int n, int each, const char *last)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fputs("{'nodes':[{'id':1,'type':'g0'},{'id':2,'type':'SaveImage','inputs':<images=1>}],"
          "'links':[[1,1,0,2,0,'I']],'definitions':{'subgraphs':[",
          f);
    for (int i = 0; i < n; i++) {
        fprintf(f, "%s{'id':'g%d','inputs':[],'outputs':[{'name':'I'}],'nodes':[", i ? "," : "", i);
        for (int k = 0; k < each && i + 1 < n; k++)
            fprintf(f, "%s{'id':%d,'type':'g%d'}", k ? "," : "", k, i + 1);
        fprintf(f, "%s],'links':(1:0.0/-20.0)}", i + 1 < n ? "" : last);
    }
    fputs("]}}", f);
    fclose(f);
    return text;
}

static void refused(const char *text, const char *why)
{
    struct recipe r;
    struct err e = {""};
    assert_int_equal(import(text, &r, &e), -1);
    if (!strstr(e.text, why))
        fail_msg("'%s' does not say '%s'", e.text, why);
    recipe_free(&r);
}

static void test_hostile(void **state)
{
    (void)state;
    struct err e = {""};
    char *self = nested(3, 1, "{'id':0,'type':'g1'}");
    char *deep = nested(40, 1, "{'id':0,'type':'VAEDecode'}");
    char *wide = nested(15, 10, "{'id':0,'type':'VAEDecode'}");
    refused(self, "that holds itself");
    refused(deep, "that lies in too many others");
    refused("{'nodes':[{'id':1,'type':'$T'},{'id':2,'type':'SaveImage','inputs':<images=1>}],"
            "'links':[[1,1,0,2,0,'I']]}",
            "is a subgraph whose nodes are not in this file");
    /* 10 to the 14th nodes. */
    char *bomb = expand(wide);
    struct comfy_graph *g = comfy_graph_parse(bomb, strlen(bomb), "bomb", &e);
    assert_non_null(g);
    print_message("%zu bytes: %d nodes opened\n", strlen(bomb), comfy_count(g));
    assert_in_range(comfy_count(g), 5000, 20100);
    comfy_graph_free(g);
    /* Round in circles through the border: the host's output is its input, which comes from it. */
    refused("{'nodes':[{'id':1,'type':'g','inputs':<i=1>},{'id':2,'type':'SaveImage','inputs':"
            "<images=2>}],'links':[[1,1,0,1,0,'I'],[2,1,0,2,0,'I']],'definitions':{'subgraphs':["
            "{'id':'g','inputs':[{'name':'i'}],'outputs':[{'name':'o'}],'nodes':[],"
            "'links':(1:-10.0/-20.0)}]}}",
            "leads to no node");
    free(self);
    free(deep);
    free(wide);
    free(bomb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subgraphs),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_group_nodes),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
