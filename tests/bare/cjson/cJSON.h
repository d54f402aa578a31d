/* The little of cJSON that src/base/json.c uses, for builds on machines without it (make gpu-test).
 */
#ifndef SPRITTY_BARE_CJSON_H
#define SPRITTY_BARE_CJSON_H

#include <stddef.h>

enum { BARE_FALSE, BARE_TRUE, BARE_NULL, BARE_NUMBER, BARE_STRING, BARE_ARRAY, BARE_OBJECT };

typedef struct cJSON {
    struct cJSON *next, *child;
    int type;
    char *valuestring, *string;
    double valuedouble;
} cJSON;

cJSON *cJSON_ParseWithLengthOpts(const char *text, size_t len, const char **end, int terminated);
void cJSON_Delete(cJSON *);
const cJSON *cJSON_GetObjectItemCaseSensitive(const cJSON *, const char *name);

#define cJSON_IsBool(n)   ((n)->type <= BARE_TRUE)
#define cJSON_IsTrue(n)   ((n)->type == BARE_TRUE)
#define cJSON_IsNumber(n) ((n)->type == BARE_NUMBER)
#define cJSON_IsString(n) ((n)->type == BARE_STRING)
#define cJSON_IsArray(n)  ((n)->type == BARE_ARRAY)
#define cJSON_IsObject(n) ((n)->type == BARE_OBJECT)

#endif
