/* processes.c - the only file that knows MPI.  A failure of MPI itself ends the run, as it does by
 * default. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "core/processes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef HAVE_MPI
#include <mpi.h>
#endif

/* Open MPI, MPICH and its relatives, and Slurm's PMI tell each process how many there are. */
static int started_processes(void)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (getenv(variables[i]) != NULL)
            return atoi(getenv(variables[i]));
    return 0;
}

#ifdef HAVE_MPI

static int process = 0, processes = 1;
static bool is_joined, have_failed; /* have_failed: all, together */

hidi_status hidi_processes_begin(void)
{
    if (started_processes() == 0)
        return HIDI_OK;
    int level;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &process);
    MPI_Comm_size(MPI_COMM_WORLD, &processes);
    is_joined = true;
    return level >= MPI_THREAD_FUNNELED
               ? HIDI_OK
               : hidi_error(HIDI_UNSUPPORTED, "this MPI is for programs without threads alone");
}

void hidi_processes_end(int code)
{
    if (!is_joined)
        return;
    if (code != 0 && processes > 1 && !have_failed)
        MPI_Abort(MPI_COMM_WORLD, code);
    hidi_processes_wait();
    MPI_Finalize();
    is_joined = false;
}

bool hidi_processes_any(bool here)
{
    int any = here;
    if (processes > 1)
        MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    return any != 0;
}

hidi_status hidi_processes_agree(hidi_status here)
{
    char message[1024];
    int worst = here;
    int failed = here != HIDI_OK ? process : processes;
    if (processes == 1)
        return here;
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (failed == processes)
        return HIDI_OK;
    hidi_processes_broadcast(failed, &worst, sizeof worst);
    strncpy(message, hidi_error_message(), sizeof message - 1);
    message[sizeof message - 1] = '\0';
    hidi_processes_broadcast(failed, message, sizeof message);
    have_failed = true;
    return hidi_error((hidi_status)worst, "%s", message);
}

bool hidi_process_speaks(void)
{
    return process == 0 || !have_failed;
}

void hidi_processes_wait(void)
{
    const struct timespec moment = {0, 2000000};
    MPI_Request request;
    int done = 0;
    if (processes == 1)
        return;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    for (;;) {
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (done)
            return;
        nanosleep(&moment, NULL);
    }
}

/* Messages of MPI count in int. */
enum { PIECE = 1 << 28 };

static int piece_of(size_t bytes, size_t at)
{
    return (int)(bytes - at < PIECE ? bytes - at : PIECE);
}

void hidi_processes_broadcast(int from, void *data, size_t bytes)
{
    for (size_t at = 0; processes > 1 && at < bytes; at += PIECE)
        MPI_Bcast((char *)data + at, piece_of(bytes, at), MPI_BYTE, from, MPI_COMM_WORLD);
}

void hidi_process_send(int to, const void *data, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PIECE)
        MPI_Send((const char *)data + at, piece_of(bytes, at), MPI_BYTE, to, 0, MPI_COMM_WORLD);
}

void hidi_process_receive(int from, void *data, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PIECE)
        MPI_Recv((char *)data + at, piece_of(bytes, at), MPI_BYTE, from, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
}

int hidi_process(void)
{
    return process;
}

int hidi_processes(void)
{
    return processes;
}

#else

hidi_status hidi_processes_begin(void)
{
    if (started_processes() > 1)
        return hidi_error(HIDI_UNSUPPORTED, "mpirun has started %d processes, and this hidi is "
                                            "built without MPI: configure --with-mpi",
                          started_processes());
    return HIDI_OK;
}

void hidi_processes_end(int code)
{
    (void)code;
}

bool hidi_processes_any(bool here)
{
    return here;
}

hidi_status hidi_processes_agree(hidi_status here)
{
    return here;
}

bool hidi_process_speaks(void)
{
    return true;
}

void hidi_processes_wait(void)
{
}

void hidi_processes_broadcast(int from, void *data, size_t bytes)
{
    (void)from, (void)data, (void)bytes;
}

void hidi_process_send(int to, const void *data, size_t bytes)
{
    (void)to, (void)data, (void)bytes;
}

void hidi_process_receive(int from, void *data, size_t bytes)
{
    (void)from, (void)data, (void)bytes;
}

int hidi_process(void)
{
    return 0;
}

int hidi_processes(void)
{
    return 1;
}

#endif

bool hidi_process_is_first(void)
{
    return hidi_process() == 0;
}
