/* error.c and log.c: the message of a failing call, the first failure of a run, and who listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/log.h"

static void the_last_message_is_that_of_this_thread(void **state)
{
    (void)state;
    assert_int_equal(tg_error(TG_ERR_FILE, "no %s %d", "file", 7), TG_ERR_FILE);
    assert_string_equal(tg_last_message(), "no file 7");
    assert_int_equal(tg_error(TG_ERR_EDGE, "edge"), TG_ERR_EDGE);
    assert_string_equal(tg_last_message(), "edge");
}

static void a_message_may_quote_the_one_before(void **state)
{
    (void)state;
    tg_error(TG_ERR_FILE, "inner");
    tg_error(TG_ERR_LOAD, "outer: %s", tg_last_message());
    assert_string_equal(tg_last_message(), "outer: inner");
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    char large[2 * TG_MESSAGE_BYTES];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    tg_error(TG_ERR_FILE, "%s", large);
    assert_int_equal(strlen(tg_last_message()), TG_MESSAGE_BYTES - 1);
    struct tg_failure failure;
    tg_failure_init(&failure);
    tg_failure_set(&failure, TG_ERR_FILE, "%s", large);
    assert_int_equal(strlen(failure.message), TG_MESSAGE_BYTES - 1);
}

static void *other_thread(void *arg)
{
    bool *silent = arg;
    *silent = tg_last_message()[0] == '\0';
    tg_error(TG_ERR_FILE, "elsewhere");
    return NULL;
}

static void threads_have_messages_of_their_own(void **state)
{
    (void)state;
    pthread_t thread;
    bool silent = false;
    tg_error(TG_ERR_EDGE, "here");
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &silent), 0);
    pthread_join(thread, NULL);
    assert_true(silent);
    assert_string_equal(tg_last_message(), "here");
}

/* ---- the first failure of a run ---------------------------------------------------------------------------------- */

static void the_first_failure_stays(void **state)
{
    (void)state;
    struct tg_failure failure;
    tg_failure_init(&failure);
    assert_int_equal(tg_failure_status(&failure), TG_OK);
    assert_string_equal(failure.message, "");
    tg_failure_set(&failure, TG_ERR_TILE, "task %d", 3);
    tg_failure_set(&failure, TG_ERR_EDGE, "a consequence");
    assert_int_equal(tg_failure_status(&failure), TG_ERR_TILE);
    assert_string_equal(failure.message, "task 3");
    tg_failure_init(&failure);
    assert_int_equal(tg_failure_status(&failure), TG_OK);
}

enum { N_REPORTERS = 4, N_ROUNDS = 200 };

static struct tg_failure shared;
static pthread_barrier_t start_line, end_line;

/* A plugin may give an empty text. */
static void a_failure_always_has_a_message(void **state)
{
    (void)state;
    struct tg_failure failure;
    tg_failure_init(&failure);
    tg_failure_set(&failure, TG_ERR_ORCHESTRATION, "%s", "");
    assert_string_equal(tg_failure_message(&failure), "the reason given is empty");
}

static void *report(void *arg)
{
    int index = *(int *)arg;
    for (int round = 0; round < N_ROUNDS; round++) {
        pthread_barrier_wait(&start_line);
        tg_failure_set(&shared, (enum tg_status)(TG_ERR_EDGE + index), "reporter %d in round %d", index, round);
        pthread_barrier_wait(&end_line);
    }
    return NULL;
}

/* A status that is seen has its own message, complete. */
static void one_of_many_reporters_wins(void **state)
{
    (void)state;
    pthread_t threads[N_REPORTERS];
    int indices[N_REPORTERS];
    pthread_barrier_init(&start_line, NULL, N_REPORTERS + 1);
    pthread_barrier_init(&end_line, NULL, N_REPORTERS + 1);
    for (int i = 0; i < N_REPORTERS; i++) {
        indices[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, report, &indices[i]), 0);
    }
    for (int round = 0; round < N_ROUNDS; round++) {
        tg_failure_init(&shared);
        pthread_barrier_wait(&start_line);
        enum tg_status status;
        while ((status = tg_failure_status(&shared)) == TG_OK) continue;
        char expected[64];
        snprintf(expected, sizeof expected, "reporter %d in round %d", (int)status - TG_ERR_EDGE, round);
        assert_string_equal(shared.message, expected);
        pthread_barrier_wait(&end_line);
        assert_int_equal(tg_failure_status(&shared), status);
        assert_string_equal(shared.message, expected);
    }
    for (int i = 0; i < N_REPORTERS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start_line);
    pthread_barrier_destroy(&end_line);
}

/* ---- log --------------------------------------------------------------------------------------------------------- */

static char heard[8192];

static void listen(void *context, enum tg_log_level level, const char *line)
{
    assert_ptr_equal(context, heard);
    snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "%d:%s|", (int)level, line);
}

static void a_listener_hears_its_level_and_what_is_more_urgent(void **state)
{
    (void)state;
    heard[0] = '\0';
    tg_log(TG_LOG_ERROR, "nobody listens");
    tg_log_to(listen, heard, TG_LOG_WARN);
    tg_log(TG_LOG_ERROR, "error %d", 1);
    tg_log(TG_LOG_WARN, "warning");
    tg_log(TG_LOG_INFO, "information");
    tg_log_to(listen, heard, TG_LOG_DEBUG);
    tg_log(TG_LOG_DEBUG, "detail");
    tg_log_to(listen, heard, TG_LOG_SILENT);
    tg_log(TG_LOG_ERROR, "silent");
    tg_log_to(NULL, NULL, TG_LOG_DEBUG);
    tg_log(TG_LOG_ERROR, "gone");
    assert_string_equal(heard, "1:error 1|2:warning|4:detail|");
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    char large[6000];
    memset(large, 'y', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    heard[0] = '\0';
    tg_log_to(listen, heard, TG_LOG_INFO);
    tg_log(TG_LOG_INFO, "%s", large);
    tg_log_to(NULL, NULL, TG_LOG_SILENT);
    assert_true(strlen(heard) > 1000 && strlen(heard) < 4000);
    assert_memory_equal(heard, "3:yyyy", 6);
}

static void base_name_is_what_is_behind_the_last_slash(void **state)
{
    (void)state;
    assert_string_equal(tg_base_name("a/b/c.c"), "c.c");
    assert_string_equal(tg_base_name("c.c"), "c.c");
    assert_string_equal(tg_base_name("a/"), "");
    assert_string_equal(tg_base_name(NULL), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_message_is_that_of_this_thread),
        cmocka_unit_test(a_message_may_quote_the_one_before),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(threads_have_messages_of_their_own),
        cmocka_unit_test(the_first_failure_stays),
        cmocka_unit_test(a_failure_always_has_a_message),
        cmocka_unit_test(one_of_many_reporters_wins),
        cmocka_unit_test(a_listener_hears_its_level_and_what_is_more_urgent),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(base_name_is_what_is_behind_the_last_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
