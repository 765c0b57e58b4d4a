/* easy.h - handles of libcurl with what holds for all of this program's requests: http and https alone, certificates are
 * checked, no redirect is followed by libcurl itself (a key or token must not travel to another host), no signals. */
#ifndef ASSAY_HUB_EASY_H
#define ASSAY_HUB_EASY_H

#include <curl/curl.h>

/* NULL: out of memory. The caller sets the rest and cleans up. */
CURL *easy_new(void);

#endif
