"""What the kernel's function_graph says becomes times of choices."""

from bench.guest_hook import choices

TRACE = """
# CPU  DURATION                  FUNCTION CALLS
 0) + 12.000 us   |    bpf_handle_oom();
 0) ! 500.000 us  |    oom_kill_process();
 0) # 1600.500 us |  } /* out_of_memory */
 1)   5.000 us    |    bpf_handle_oom();
 1) + 20.000 us   |  } /* out_of_memory */
 0) ! 100.000 us  |      bpf_oom_kill_process();
 0) ! 200.000 us  |      bpf_oom_kill_process();
 0) # 1300.000 us |    } /* bpf_handle_oom */
 0) # 1310.000 us |  } /* out_of_memory */
"""


def test_a_choice_is_what_an_oom_took_without_the_kill() -> None:
    """The kernel's own, one that only waited for an earlier victim, and the handler's."""
    assert choices(TRACE) == [1.1005, 1.0]


def test_where_nobody_died_there_was_no_choice() -> None:
    assert choices(" 0)   1.0 us | out_of_memory();\n") == []
