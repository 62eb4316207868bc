# hidi_cuda.m4 - CUDA: the real thing (--with-cuda), and the emulation that the tests run the same
# kernels on.

# HIDI_WITH_CUDA: sets have_cuda (yes or no), NVCC, CUDA_VERSION, CUDA_GENCODE, CUDA_LIBS,
# CUDA_PC_LIBS; cuda_text for the summary.
AC_DEFUN([HIDI_WITH_CUDA], [
AC_ARG_WITH([cuda],
    [AS_HELP_STRING([--with-cuda@<:@=DIR@:>@], [build the cuda backend, with the toolkit (11 to 13) in
                    DIR, or whose nvcc is on the PATH])],
    [], [with_cuda=no])
AC_ARG_VAR([NVCC], [the CUDA compiler])
AC_ARG_VAR([NVCCFLAGS], [flags for it (default: -O3)])
AC_ARG_VAR([CUDA_ARCHS], [compute capabilities to build for, as "80 90"; the last one also as PTX
            (default: the major ones that the toolkit knows, from 70 on)])
have_cuda=no
cuda_text="no (--with-cuda)"
CUDA_GENCODE=
CUDA_LIBS=
CUDA_PC_LIBS=
AS_IF([test "$with_cuda" != no], [HIDI_FIND_CUDA])
AM_CONDITIONAL([CUDA], [test $have_cuda = yes])
AC_SUBST([CUDA_GENCODE])
AC_SUBST([CUDA_LIBS])
AC_SUBST([CUDA_PC_LIBS])
])

# Where the toolkit is, or an error.
AC_DEFUN([HIDI_FIND_CUDA], [
AS_IF([test "$with_cuda" = yes],
    [AC_PATH_PROG([NVCC], [nvcc], [none])],
    [AC_PATH_PROG([NVCC], [nvcc], [none], [$with_cuda/bin])])
AS_IF([test "$NVCC" = none],
    [AS_IF([test "$with_cuda" = yes],
        [AC_MSG_ERROR([--with-cuda: there is no nvcc on the PATH; --with-cuda=DIR says where the toolkit is])],
        [AC_MSG_ERROR([--with-cuda=$with_cuda: there is no $with_cuda/bin/nvcc])])])
# nvcc itself knows where its toolkit is; what is on the PATH may be a link or a script.
cuda_root=$with_cuda
AS_IF([test "$with_cuda" = yes],
    [echo >conftest.cu
     cuda_root=$("$NVCC" --dryrun -c conftest.cu 2>&1 | sed -n 's/.* TOP=//p')
     rm -f conftest.cu
     cuda_root=$(cd "${cuda_root:-/}" 2>/dev/null && pwd)])
: "${NVCCFLAGS=-O3}"

AC_MSG_CHECKING([for the version of the CUDA toolkit])
CUDA_VERSION=$("$NVCC" --version 2>/dev/null | sed -n 's/.*release \([[0-9]]*\.[[0-9]]*\).*/\1/p')
AC_MSG_RESULT([${CUDA_VERSION:-unknown}])
AS_CASE([$CUDA_VERSION],
    [''], [AC_MSG_ERROR([--with-cuda: $NVCC --version does not say which toolkit it belongs to])],
    [[[1-9].*|10.*]], [AC_MSG_ERROR([--with-cuda: toolkit $CUDA_VERSION is too old; 11 or later is needed])])

# The architectures that the toolkit can compile for, among those that differ.
AC_MSG_CHECKING([which devices to compile for])
AS_IF([test -z "$CUDA_ARCHS"],
    [cuda_known=$("$NVCC" --list-gpu-code 2>/dev/null | sed -n 's/^sm_\([[0-9]]*\)$/\1/p')
     for arch in 70 75 80 86 89 90 100 120; do
         AS_IF([echo "$cuda_known" | grep -qx $arch], [CUDA_ARCHS="$CUDA_ARCHS $arch"])
     done
     test -n "$CUDA_ARCHS" || CUDA_ARCHS="70 75 80"]) # toolkit 11.0 has no such list
for arch in $CUDA_ARCHS; do
    CUDA_GENCODE="$CUDA_GENCODE -gencode arch=compute_$arch,code=sm_$arch"
    cuda_last=$arch
done
CUDA_GENCODE="$CUDA_GENCODE -gencode arch=compute_$cuda_last,code=compute_$cuda_last"
AC_MSG_RESULT([$CUDA_ARCHS, PTX for later ones])

cuda_lib=
for lib in "$cuda_root/lib64" "$cuda_root/lib" "$cuda_root/targets/x86_64-linux/lib"; do
    AS_IF([test -z "$cuda_lib" && ls "$lib"/libcudart.* >/dev/null 2>&1], [cuda_lib=$lib])
done
AS_IF([test -z "$cuda_lib"],
    [AC_MSG_ERROR([--with-cuda: there is no libcudart in $cuda_root/lib64])])
AS_IF([ls "$cuda_lib"/libcublas.* >/dev/null 2>&1], [],
    [AC_MSG_ERROR([--with-cuda: the toolkit in $cuda_root has no cuBLAS: no libcublas in $cuda_lib])])
CUDA_PC_LIBS="-L$cuda_lib -lcublas -lcudart -lstdc++"
CUDA_LIBS="-R$cuda_lib $CUDA_PC_LIBS"

AC_MSG_CHECKING([whether $NVCC compiles for the runtime and cuBLAS, and both can be linked])
cat >conftest.cu <<'END'
#include <cublas_v2.h>
#include <cuda_runtime.h>
__global__ void kernel(float *x) { *x = 1; }
extern "C" int main(void)
{
    cublasHandle_t handle;
    kernel<<<1, 1>>>(NULL);
    return (int)cublasCreate(&handle) + (int)cudaGetLastError();
}
END
AS_IF(["$NVCC" $NVCCFLAGS -std=c++14 $CUDA_GENCODE -c conftest.cu -o conftest.$ac_objext >&AS_MESSAGE_LOG_FD 2>&1 &&
       $CC $CFLAGS $LDFLAGS conftest.$ac_objext -o conftest$ac_exeext -L"$cuda_lib" -Wl,-rpath,"$cuda_lib" \
           -lcublas -lcudart -lstdc++ >&AS_MESSAGE_LOG_FD 2>&1],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     rm -f conftest*
     AC_MSG_ERROR([--with-cuda: a small program with a kernel and cuBLAS cannot be built; config.log says why])])
rm -f conftest*
have_cuda=yes
cuda_text="toolkit $CUDA_VERSION in $cuda_root, for sm_$(echo $CUDA_ARCHS | sed 's/ / sm_/g') and PTX"
])

# HIDI_CUDA_EMULATION: can the tests compile the kernels for this machine?  Sets the conditional
# CUDA_EMULATION, WARN_CXXFLAGS, ACCESS_CXXFLAGS, emulation_text; EMULATION_MISSING says why not.
AC_DEFUN([HIDI_CUDA_EMULATION], [
AC_LANG_PUSH([C++])
EMULATION_MISSING=
AC_MSG_CHECKING([whether $CXX compiles C++14])
hidi_saved_CXXFLAGS=$CXXFLAGS
CXXFLAGS="$CXXFLAGS -std=c++14"
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <map>]], [[std::map<int, int> x; return x[0];]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     EMULATION_MISSING="no C++ compiler"])
CXXFLAGS=$hidi_saved_CXXFLAGS
WARN_CXXFLAGS=
ACCESS_CXXFLAGS=
AS_IF([test -z "$EMULATION_MISSING"],
    [HIDI_CHECK_CXXFLAG([-fsanitize=thread], [ACCESS_CXXFLAGS="-fsanitize=thread"],
        [EMULATION_MISSING="$CXX does not announce accesses to memory (-fsanitize=thread)"])
     HIDI_CHECK_CXXFLAG([-fno-threadsafe-statics],
        [ACCESS_CXXFLAGS="$ACCESS_CXXFLAGS -fno-threadsafe-statics"])
     for flag in -Wall -Wextra -Wshadow; do
         HIDI_CHECK_CXXFLAG([$flag], [WARN_CXXFLAGS="$WARN_CXXFLAGS $flag"])
     done
     AS_IF([test "$enable_werror" = yes], [WARN_CXXFLAGS="$WARN_CXXFLAGS -Werror"])])
AS_IF([test -z "$EMULATION_MISSING"],
    [AC_CHECK_HEADERS([elf.h link.h ucontext.h sys/mman.h], [],
        [EMULATION_MISSING="no <elf.h>, <link.h>, <ucontext.h> or <sys/mman.h>"])])
AC_LANG_POP([C++])
AM_CONDITIONAL([CUDA_EMULATION], [test -z "$EMULATION_MISSING"])
AS_IF([test -z "$EMULATION_MISSING"],
    [emulation_text="$CXX $ACCESS_CXXFLAGS"],
    [emulation_text="not tested: $EMULATION_MISSING"])
AC_SUBST([WARN_CXXFLAGS])
AC_SUBST([ACCESS_CXXFLAGS])
AC_SUBST([EMULATION_MISSING])
])

# HIDI_CHECK_CXXFLAG(FLAG, IF-TAKEN, [IF-NOT]): does the C++ compiler compile with FLAG?
AC_DEFUN([HIDI_CHECK_CXXFLAG], [
AC_MSG_CHECKING([whether $CXX takes $1])
hidi_saved_CXXFLAGS=$CXXFLAGS
CXXFLAGS="$CXXFLAGS -Werror $1"
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
    [CXXFLAGS=$hidi_saved_CXXFLAGS; AC_MSG_RESULT([yes]); $2],
    [CXXFLAGS=$hidi_saved_CXXFLAGS; AC_MSG_RESULT([no]); $3])])
