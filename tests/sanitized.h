/* sanitized.h - SANITIZED is 1 where the address or thread sanitizer is compiled in: their memory counts as the process's, and what is
 * freed stays for a while. For #if as well as for expressions. */
#ifndef ASSAY_TESTS_SANITIZED_H
#define ASSAY_TESTS_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
