/* Who may ask. A web page that somebody has open must not reach a server on his own machine: its requests carry a Host
 * that is not a loopback name when it was led here by a forged address (DNS rebinding), and they cannot carry
 * Content-Type: application/json to another site without being asked about first, which is answered only for --cors. */
#include "serve/inside.h"

#include "core/hash.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

static const char *header(job *j, const char *name)
{
    return MHD_lookup_connection_value(j->connection, MHD_HEADER_KIND, name);
}

bool guard_host_is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

/* "HOST:PORT" or "[HOST]:PORT", without its port. */
static bool host_part(const char *value, char *out, size_t size)
{
    size_t length = value[0] == '[' ? strcspn(value, "]") + 1 : strcspn(value, ":");
    if (length >= size || length > strlen(value))
        return false;
    memcpy(out, value, length);
    out[length] = '\0';
    return value[length] == '\0' || value[length] == ':';
}

static bool host_is_good(const server *s, job *j)
{
    char host[256];
    const char *value = header(j, "Host");
    if (!s->loopback || !value) /* HTTP/1.0 knows no Host; browsers always send one */
        return true;
    return host_part(value, host, sizeof host) && (guard_host_is_loopback(host) || strcasecmp(host, s->options.host) == 0);
}

/* In the same time for every wrong key. */
static bool key_is_good(const server *s, job *j)
{
    unsigned char given[SHA256_BYTES], wanted[SHA256_BYTES];
    const char *value = header(j, "Authorization");
    if (!s->options.key)
        return true;
    if (!value || strncasecmp(value, "Bearer ", 7) != 0)
        return false;
    value += 7 + strspn(value + 7, " ");
    sha256_of(value, strlen(value), given);
    sha256_of(s->options.key, strlen(s->options.key), wanted);
    return sodium_memcmp(given, wanted, sizeof given) == 0;
}

static const char *allowed_page(const server *s, const char *origin)
{
    for (size_t i = 0; origin && i < s->options.origin_count; i++)
        if (strcmp(s->options.origins[i], "*") == 0 || strcasecmp(s->options.origins[i], origin) == 0)
            return s->options.origins[i];
    return NULL;
}

static bool type_is_json(job *j)
{
    const char *type = header(j, "Content-Type");
    size_t length = strlen("application/json");
    return type && strncasecmp(type, "application/json", length) == 0 && (type[length] == '\0' || strchr("; \t", type[length]));
}

bool guard_request(server *s, job *j, const char *method, problem *p)
{
    j->cors = allowed_page(s, header(j, "Origin"));
    if (!host_is_good(s, j))
        return problem_set(p, 403, NULL, "the header Host names \"%.100s\", which is not this server", header(j, "Host"));
    if (!j->route->open && !key_is_good(s, j)) {
        problem_set(p, 401, NULL, "%s", header(j, "Authorization") ? "wrong API key" : "an API key is needed: Authorization: Bearer KEY");
        p->code = "invalid_api_key";
        return false;
    }
    if (strcmp(method, "POST") == 0 && !type_is_json(j))
        return problem_set(p, 415, NULL, "expected Content-Type: application/json, found %.100s",
                           header(j, "Content-Type") ? header(j, "Content-Type") : "none");
    return true;
}
