/* processes.c - the only file that knows MPI.  A failure of MPI itself ends the run, as it does by
 * default. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "core/processes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef HAVE_MPI
#include <mpi.h>
#endif

#include "core/stop.h"

static int number_in(const char *variable)
{
    return getenv(variable) != NULL ? atoi(getenv(variable)) : 0;
}

/* PMIx (srun --mpi=pmix, prterun) tells a process its number, but not how many there are; Slurm
 * does, of the step.  Where nobody does there are several, else it would not have been used. */
static int started_by_pmix(void)
{
    if (getenv("PMIX_RANK") == NULL)
        return 0;
    const int n = number_in("SLURM_STEP_NUM_TASKS");
    return n > 0 ? n : 2;
}

/* Open MPI, MPICH and its relatives, and Slurm's PMI tell each process how many there are. */
static int started_processes(void)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (getenv(variables[i]) != NULL)
            return number_in(variables[i]);
    return started_by_pmix();
}

#ifdef HAVE_MPI

static int process = 0, processes = 1;
static bool is_joined;
static enum { NOT_FAILED, FAILED_TOGETHER, FAILED_ALONE } failure;
static MPI_Comm meeting; /* of those that have failed */

hidi_status hidi_processes_begin(void)
{
    if (started_processes() == 0)
        return HIDI_OK;
    int level;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &process);
    MPI_Comm_size(MPI_COMM_WORLD, &processes);
    MPI_Comm_dup(MPI_COMM_WORLD, &meeting);
    is_joined = true;
    return level >= MPI_THREAD_FUNNELED
               ? HIDI_OK
               : hidi_error(HIDI_UNSUPPORTED, "this MPI is for programs without threads alone");
}

/* Waits until all have come to a meeting; false: not within so many seconds. */
static bool meet(MPI_Comm place, double seconds)
{
    const struct timespec moment = {0, 2000000};
    const double end = MPI_Wtime() + seconds;
    MPI_Request request;
    int done = 0;
    MPI_Ibarrier(place, &request);
    for (;;) {
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (done || MPI_Wtime() > end)
            return done != 0;
        nanosleep(&moment, NULL);
    }
}

/* After a failure that the others do not know of: have they failed, too?  Of some that have, the
 * one with the lowest number is the first to tell, and ends the others. */
static void look_for_others(void)
{
    const double seconds = 1.0 + 0.3 * (process < 10 ? process : 10);
    if (failure == NOT_FAILED)
        failure = processes == 1 || meet(meeting, seconds) ? FAILED_TOGETHER : FAILED_ALONE;
}

void hidi_processes_end(int code)
{
    if (!is_joined)
        return;
    if (code != 0)
        look_for_others();
    if (code != 0 && failure == FAILED_ALONE)
        MPI_Abort(MPI_COMM_WORLD, code);
    hidi_processes_wait();
    MPI_Comm_free(&meeting);
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
    failure = failed == processes ? NOT_FAILED : FAILED_TOGETHER;
    if (failed == processes)
        return HIDI_OK;
    hidi_processes_broadcast(failed, &worst, sizeof worst);
    strncpy(message, hidi_error_message(), sizeof message - 1);
    message[sizeof message - 1] = '\0';
    hidi_processes_broadcast(failed, message, sizeof message);
    return hidi_error((hidi_status)worst, "%s", message);
}

bool hidi_process_speaks(void)
{
    if (process > 0)
        look_for_others();
    return process == 0 || failure == FAILED_ALONE;
}

void hidi_processes_wait(void)
{
    if (processes > 1)
        (void)meet(MPI_COMM_WORLD, HUGE_VAL);
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

hidi_status hidi_processes_check_stop(void)
{
    return hidi_processes_agree(hidi_check_stop());
}

void hidi_processes_share(size_t pieces, int whose, size_t *first, size_t *end)
{
    const size_t n = (size_t)hidi_processes(), k = (size_t)whose;
    *first = (pieces * k + n - 1) / n; /* rounded up: piece 0 is process 0's */
    *end = (pieces * (k + 1) + n - 1) / n;
}

/* Each process tells all others its rows. */
static void exchange(size_t pieces, const hidi_piece_rows *rows)
{
    for (int from = 0; from < hidi_processes(); from++) {
        size_t first, end;
        hidi_processes_share(pieces, from, &first, &end);
        const size_t begin = first * rows->bytes;
        const size_t after = end < pieces ? end * rows->bytes : rows->total;
        if (end > first && after > begin)
            hidi_processes_broadcast(from, (char *)rows->data + begin, after - begin);
    }
}

hidi_status hidi_processes_collect(hidi_status here, size_t pieces, const hidi_piece_rows *rows,
                                   int n_rows)
{
    HIDI_TRY(hidi_processes_agree(here));
    for (int i = 0; hidi_processes() > 1 && i < n_rows; i++)
        if (rows[i].data != NULL)
            exchange(pieces, &rows[i]);
    return HIDI_OK;
}
