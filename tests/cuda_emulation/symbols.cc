/* symbols.cc - the shared arrays of all kernels, and the line of an instruction.
 *
 * A `__shared__` array is a static local variable here.  The program's own symbol table (ELF) knows
 * where each one begins and ends, to the byte, and its name; the alignment that the macro gives
 * them tells them from other variables.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emulation.h"

namespace cuda_emulation {

enum { MAX_SHARED_ARRAYS = 1024 };
shared_array shared_arrays[MAX_SHARED_ARRAYS];
int n_shared_arrays;

namespace {

/* Where the program was loaded, less where it was linked to be: of the first object, which it is.
 */
int get_bias(struct dl_phdr_info *info, size_t, void *bias)
{
    *static_cast<uintptr_t *>(bias) = info->dlpi_addr;
    return 1;
}

uintptr_t load_bias()
{
    uintptr_t bias = 0;
    dl_iterate_phdr(get_bias, &bias);
    return bias;
}

int by_address(const void *a, const void *b)
{
    const uintptr_t x = static_cast<const shared_array *>(a)->begin;
    const uintptr_t y = static_cast<const shared_array *>(b)->begin;
    return (x > y) - (x < y);
}

/* "kernel(float*)::tile" as "tile of kernel(float*)" */
void set_name(char *name, size_t size, const char *symbol)
{
    int status;
    char *text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
    const char *whole = status == 0 ? text : symbol, *last = nullptr;
    for (const char *at = std::strstr(whole, "::"); at; at = std::strstr(at + 1, "::"))
        last = at;
    if (last)
        snprintf(name, size, "%s of %.*s", last + 2, static_cast<int>(last - whole), whole);
    else
        snprintf(name, size, "%s", whole);
    std::free(text);
}

void add(const ElfW(Sym) & symbol, const char *name, uintptr_t bias)
{
    if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT || std::strncmp(name, "_ZZ", 3) != 0 ||
        symbol.st_value % CUDA_EMULATION_SHARED_ALIGNMENT != 0 || symbol.st_size == 0 ||
        n_shared_arrays == MAX_SHARED_ARRAYS)
        return;
    shared_array *array = &shared_arrays[n_shared_arrays++];
    array->begin = bias + symbol.st_value;
    array->end = array->begin + symbol.st_size;
    set_name(array->name, sizeof array->name, name);
}

void read_symbols(const char *file)
{
    const ElfW(Ehdr) *header = reinterpret_cast<const ElfW(Ehdr) *>(file);
    const ElfW(Shdr) *section = reinterpret_cast<const ElfW(Shdr) *>(file + header->e_shoff);
    for (int i = 0; i < header->e_shnum; i++) {
        if (section[i].sh_type != SHT_SYMTAB)
            continue;
        const char *names = file + section[section[i].sh_link].sh_offset;
        const ElfW(Sym) *symbol =
            reinterpret_cast<const ElfW(Sym) *>(file + section[i].sh_offset);
        for (size_t k = 0; k < section[i].sh_size / sizeof *symbol; k++)
            add(symbol[k], names + symbol[k].st_name, load_bias());
    }
    std::qsort(shared_arrays, static_cast<size_t>(n_shared_arrays), sizeof *shared_arrays,
               by_address);
}

} // namespace

void find_shared_arrays()
{
    static bool done;
    struct stat status;
    const int file = done ? -1 : open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    done = true;
    if (file < 0)
        return;
    if (fstat(file, &status) == 0) {
        const size_t size = static_cast<size_t>(status.st_size);
        void *image = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
        if (image != MAP_FAILED) {
            read_symbols(static_cast<const char *>(image));
            munmap(image, size);
        }
    }
    close(file);
}

const char *source_line(const void *code, char *text, size_t size)
{
    char command[320], self[256];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    text[0] = '\0';
    if (length <= 0 || static_cast<size_t>(length) == sizeof self - 1)
        return text;
    self[length] = '\0';
    snprintf(command, sizeof command, "addr2line -s -e '%s' 0x%lx 2>/dev/null", self,
             static_cast<unsigned long>(reinterpret_cast<uintptr_t>(code) - 1 - load_bias()));
    FILE *out = popen(command, "r");
    if (out == nullptr)
        return text;
    if (fgets(text, static_cast<int>(size), out) == nullptr || text[0] == '?')
        text[0] = '\0';
    text[std::strcspn(text, " \n")] = '\0'; /* "rows.cu:31 (discriminator 2)" */
    pclose(out);
    return text;
}

} // namespace cuda_emulation
