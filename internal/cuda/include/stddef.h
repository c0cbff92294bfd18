/* C11, 7.19. A libc asks for parts of it: __need_size_t and its like. */
#if !defined __need_size_t && !defined __need_wchar_t && !defined __need_NULL && \
    !defined __need_ptrdiff_t && !defined __need_wint_t
#define __need_size_t
#define __need_wchar_t
#define __need_NULL
#define __need_ptrdiff_t
#ifndef __TWICE_STDDEF_H
#define __TWICE_STDDEF_H
#if __STDC_VERSION__ >= 201112L || __cplusplus >= 201103L
typedef struct {
  long long __twice_ll __attribute__((__aligned__(__alignof__(long long))));
  long double __twice_ld __attribute__((__aligned__(__alignof__(long double))));
} max_align_t;
#endif
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
#endif

#ifdef __need_ptrdiff_t
#undef __need_ptrdiff_t
#ifndef __TWICE_PTRDIFF_T
#define __TWICE_PTRDIFF_T
typedef __PTRDIFF_TYPE__ ptrdiff_t;
#endif
#endif

#ifdef __need_size_t
#undef __need_size_t
#ifndef __TWICE_SIZE_T
#define __TWICE_SIZE_T
typedef __SIZE_TYPE__ size_t;
#endif
#endif

#ifdef __need_wchar_t
#undef __need_wchar_t
#if !defined __TWICE_WCHAR_T && !defined __cplusplus
#define __TWICE_WCHAR_T
typedef __WCHAR_TYPE__ wchar_t;
#endif
#endif

#ifdef __need_wint_t
#undef __need_wint_t
#ifndef __TWICE_WINT_T
#define __TWICE_WINT_T
typedef __WINT_TYPE__ wint_t;
#endif
#endif

#ifdef __need_NULL
#undef __need_NULL
#undef NULL
#ifdef __cplusplus
#define NULL __null
#else
#define NULL ((void *)0)
#endif
#endif
