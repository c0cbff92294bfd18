/* C11, 7.23. */
#ifndef __TWICE_STDNORETURN_H
#define __TWICE_STDNORETURN_H
#define noreturn _Noreturn
#endif
