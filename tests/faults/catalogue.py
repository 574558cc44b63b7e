"""Accidents and attacks by name, each with the tests that cover it; `README.md` says what each name means."""

from __future__ import annotations

#: Names of test functions, without `test_`.
ACCIDENTS: dict[str, tuple[str, ...]] = {
    "killed-command": ("a_kill_at_any_call_leaves_old_or_new_and_the_next_run_succeeds",),
    "killed-training": (
        "trainings_killed_at_random_moments_store_what_they_would_have_stored",
        "all_that_is_random_in_a_network_resumes_where_it_was",
    ),
    "killed-batch-run": (
        "a_killed_run_is_resumed",
        "a_writer_killed_before_its_commit_leaves_the_table_as_it_was",
        "complete_lines_before_any_cut_are_still_read",
    ),
    "termination-signal": (
        "a_signal_saves_the_training_and_the_same_command_continues",
        "a_signal_keeps_finished_work_and_leaves_no_process_or_temporary_file",
        "a_run_that_nohup_started_continues_when_its_terminal_goes",
    ),
    "ctrl-c": ("an_interrupt_ends_with_130_and_no_traceback", "a_second_interrupt_does_not_wait"),
    "closed-pipe": (
        "a_forecast_is_complete_if_nobody_reads_stdout_or_stderr",
        "a_reader_that_leaves_early_is_not_an_error",
        "a_stream_that_the_caller_closed_is_not_a_bug",
    ),
    "stopped-process": ("a_suspended_job_is_killed_at_its_timeout", "timeouts_do_not_depend_on_the_system_clock"),
    "full-disk": (
        "files_that_may_not_grow_are_output_not_written",
        "a_full_disk_is_output_not_written",
        "a_full_disk_names_path_cause_and_bytes",
    ),
    "write-error": (
        "an_error_of_the_disk_leaves_the_old_file_and_is_told",
        "a_stdout_that_is_full_is_output_not_written",
    ),
    "interrupted-call": ("calls_that_are_interrupted_are_made_again",),
    "failed-flush": ("a_failed_flush_is_reported", "a_disk_that_cannot_flush_the_folder_is_reported"),
    "read-only-output": (
        "an_unwritable_output_is_found_before_anything_runs",
        "a_read_only_disk_is_rejected",
        "a_read_only_file_is_rejected",
        "a_store_below_a_file_is_rejected_before_training",
    ),
    "wrong-output-target": (
        "a_missing_folder_is_rejected_with_the_command_that_makes_it",
        "a_folder_is_not_a_target",
        "a_pipe_is_not_a_target",
        "a_symbolic_link_is_not_written_through",
    ),
    "no-temporary-folder": ("a_forecast_has_the_same_bytes_in_any_environment",),
    "same-command-twice": (
        "two_runs_at_once_and_readers_in_between_see_whole_files",
        "a_second_run_of_the_same_file_is_rejected_or_waits",
    ),
    "concurrent-writers": ("writers_at_once_get_versions_of_their_own", "runs_at_once_lose_nothing_of_each_other"),
    "reader-during-write": ("two_runs_at_once_and_readers_in_between_see_whole_files",),
    "dead-lock-holder": ("a_lock_is_free_after_its_holder_was_killed", "a_lock_is_free_after_its_holder_failed"),
    "no-file-locks": (
        "a_disk_without_locks_is_rejected_and_the_work_never_runs",
        "a_lock_that_is_a_symbolic_link_is_rejected",
        "on_a_disk_without_locks_a_leftover_goes_after_a_day",
    ),
    "less-memory": (
        "memory_that_is_taken_away_in_the_middle_of_a_training_is_a_matter_of_resources",
        "a_job_that_the_kernel_kills_for_the_memory_of_its_group_is_named_and_the_next_run_succeeds",
    ),
    "other-user": (
        "another_user_reads_a_store_and_is_told_what_it_cannot_write",
        "a_store_that_another_user_may_not_enter_is_named",
        "a_store_that_two_users_write_in_turn_loses_nothing",
    ),
    "other-file-system": ("a_store_on_another_file_system_works_from_end_to_end",),
    "command-race": ("forecasts_and_scores_that_race_through_the_command_line_lose_no_forecast",),
    "encrypted-file": (
        "an_encrypted_parquet_file_is_named_as_one",
        "an_encrypted_column_is_rejected_where_it_is_named_and_said_where_it_is_not",
    ),
    "clock-change": (
        "ages_are_right_across_both_changes_of_the_clock",
        "the_minute_of_the_schedule_comes_once_on_each_day_in_every_time_zone",
        "timeouts_do_not_depend_on_the_system_clock",
        "a_model_from_a_clock_that_was_ahead_is_noticed_and_counts_as_due",
    ),
    "leftover-files": (
        "a_sweep_leaves_the_files_of_others",
        "a_sweep_leaves_what_a_living_run_writes",
        "the_check_before_the_work_removes_what_killed_runs_left",
    ),
    "bare-environment": (
        "a_forecast_has_the_same_bytes_in_any_environment",
        "an_output_has_the_mode_of_the_umask_and_none_wider",
    ),
    "hash-seed-and-threads": (
        "a_forecast_has_the_same_bytes_in_any_environment",
        "the_bytes_do_not_depend_on_how_many_networks_are_fitted_at_once",
    ),
    "cron": (
        "a_second_run_of_the_same_file_is_rejected_or_waits",
        "the_cron_line_runs_the_file_by_absolute_paths_in_a_bare_shell",
    ),
    "cut-model-file": ("every_damaged_and_every_hostile_model_is_rejected", "a_file_cut_at_any_length_is_rejected"),
    "flipped-bits": ("any_changed_byte_of_the_header_is_found", "any_changed_byte_of_the_payload_is_found"),
    "swapped-parts": ("files_that_changed_places_are_rejected", "a_payload_of_another_valid_model_is_rejected"),
    "newer-format": ("a_newer_format_is_rejected_by_the_version_it_needs", "an_unknown_key_is_ignored"),
    "other-machine": (
        "a_model_of_another_version_or_machine_forecasts_what_it_forecast_there",
        "the_numbers_of_a_model_are_little_endian_on_every_machine",
    ),
    "out-of-memory-kill": (
        "a_killed_process_is_a_resource_error",
        "bad_jobs_of_every_kind_change_no_byte_of_good_ones_and_are_named_with_their_cause",
    ),
    "no-memory": (
        "memory_that_ran_out_is_a_matter_of_resources",
        "bad_jobs_of_every_kind_change_no_byte_of_good_ones_and_are_named_with_their_cause",
        "a_program_that_cannot_be_started_is_a_failure_of_its_job",
    ),
    "bad-job": (
        "bad_jobs_of_every_kind_change_no_byte_of_good_ones_and_are_named_with_their_cause",
        "a_crash_of_the_interpreter_names_its_signal",
        "if_every_job_fails_the_run_exits_with_their_code",
    ),
    "series-left-out": ("series_left_out_by_name_make_a_job_partial_and_the_others_are_written",),
    "invalid-jobs-file": (
        "all_errors_are_reported_together_in_the_order_of_their_lines",
        "two_jobs_cannot_write_the_same_file_under_different_paths",
        "errors_of_the_file_are_found_before_any_job_starts",
    ),
    "gpu-lost": (
        "a_gpu_that_vanishes_in_the_middle_leaves_the_work_to_the_cpu",
        "a_gpu_that_was_named_and_vanishes_is_a_lack_of_resources",
        "auto_takes_a_gpu_where_there_is_one",
    ),
    "gpu-out-of-memory": ("memory_that_runs_out_is_a_rejection_that_names_the_batch_size",),
    "job-timeout": (
        "a_job_that_exceeds_its_timeout_is_stopped_and_its_error_says_so",
        "a_job_that_ignores_sigterm_is_killed",
        "a_process_left_in_the_background_does_not_outlive_its_job",
    ),
    "divergence": ("the_third_fault_ends_the_run_with_its_cause", "each_fault_halves_the_learning_rate"),
    "worse-retraining": ("a_challenger_that_is_clearly_worse_on_rows_neither_saw_is_kept_aside",),
    "busy-database": (
        "a_table_that_stays_locked_ends_with_try_later_and_is_left_alone",
        "a_connection_that_breaks_in_the_middle_is_made_again_and_nothing_is_written_twice",
        "a_repeated_run_leaves_no_row_twice_and_the_newest_values",
    ),
    "no-network": ("a_forecast_needs_no_network",),
    "unchanged-job": ("an_unchanged_job_is_skipped",),
    "changed-job": ("a_job_runs_again_if_anything_it_depends_on_has_changed",),
    "unwritable-log": ("an_unwritable_log_affects_no_job", "a_stderr_that_is_full_changes_no_exit_code"),
    "resource-leak": ("forecasts_in_a_row_leave_no_object_no_descriptor_and_no_file_behind",),
    "power-cut": (
        "a_power_cut_at_any_moment_leaves_old_or_new_and_the_next_run_succeeds",
        "a_new_folder_is_flushed_into_each_folder_above_it_that_is_new",
    ),
}
ATTACKS: dict[str, tuple[str, ...]] = {
    "code-in-a-model": ("no_code_is_loaded_from_a_file", "hostile_files_run_nothing_open_nothing_and_stay_small"),
    "pickle": ("a_pickle_is_rejected_by_name_and_not_opened", "a_pickle_behind_a_model_is_rejected"),
    "forged-header": (
        "the_load_path_calls_nothing_that_runs_code_or_sets_attributes_by_name",
        "a_forged_header_is_rejected",
    ),
    "exhausting-model": (
        "hostile_files_run_nothing_open_nothing_and_stay_small",
        "a_header_beyond_the_limit_is_rejected_before_it_is_read",
        "weights_that_are_not_finite_are_rejected",
    ),
    "hostile-model-name": (
        "a_hostile_name_is_stored_found_and_removed_inside_the_store",
        "a_path_with_a_zero_byte_is_rejected",
    ),
    "hostile-series-id": (
        "a_hostile_name_stays_inside_the_store",
        "hostile_ids_come_back_unchanged_and_name_no_file",
    ),
    "swapped-model": ("a_model_that_was_replaced_after_it_was_found_is_rejected",),
    "spreadsheet-formula": ("ids_that_are_formulas_are_written_so_that_no_spreadsheet_runs_them",),
    "html": ("only_the_charts_write_what_a_browser_would_run",),
    "terminal-escape": (
        "text_from_a_file_cannot_steer_the_terminal",
        "what_could_steer_a_terminal_is_shown_as_an_escape",
    ),
    "log-injection": ("each_event_is_one_line_of_json",),
    "shell-injection": ("the_alarm_receives_the_failure_as_json_without_a_shell",),
    "sql-injection": (
        "only_one_statement_that_reads_is_run",
        "names_and_values_made_to_break_out_are_names_and_values",
    ),
    "password": ("no_run_says_or_keeps_a_password", "no_error_says_a_password_whoever_words_it"),
    "secret-file": (
        "no_line_of_a_key_that_was_given_as_data_is_told",
        "no_content_of_a_file_without_a_table_is_told",
        "other_secrets_are_masked_but_are_not_error_of_a_query",
    ),
    "planted-link": (
        "a_link_planted_under_the_temporary_name_is_not_followed",
        "nobody_else_may_read_a_file_while_it_is_written",
    ),
    "file-mode": (
        "an_output_has_the_mode_of_the_umask_and_none_wider",
        "a_replaced_file_keeps_its_mode",
        "only_its_owner_may_read_a_ledger",
    ),
    "foreign-store": (
        "a_store_of_another_user_that_everyone_may_write_is_rejected_with_the_fix",
        "a_lock_that_is_a_symbolic_link_is_rejected",
    ),
    "planted-module": ("a_module_in_the_folder_of_the_data_is_not_imported",),
    "decompression-bomb": (
        "a_file_that_guarantees_far_more_than_its_size_is_tried_in_a_child_of_little_memory",
        "a_child_that_runs_out_of_memory_is_a_rejection_not_an_end",
    ),
    "huge-cell": ("a_cell_of_any_length_is_rejected_before_it_costs_time_and_is_not_printed",),
    "network-access": ("a_forecast_needs_no_network", "hostile_files_run_nothing_open_nothing_and_stay_small"),
    "unpinned-dependency": ("constraints_pin_every_dependency",),
    "replaced-model": ("a_sound_file_that_is_another_than_expected_is_rejected_by_its_digest",),
}
