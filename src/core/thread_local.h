/* thread_local.h - variables of which each thread has its own: static HIDI_THREAD_LOCAL int x; */
#ifndef HIDI_CORE_THREAD_LOCAL_H
#define HIDI_CORE_THREAD_LOCAL_H

/* C99 has no word for it.  C11's comes with a warning where C99 was asked for. */
#if defined(__GNUC__)
#define HIDI_THREAD_LOCAL __thread
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L && !defined(__STDC_NO_THREADS__)
#define HIDI_THREAD_LOCAL _Thread_local
#else
#error "this compiler has no thread-local storage that core/thread_local.h knows"
#endif

#endif
