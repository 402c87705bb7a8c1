package state

import (
	"fmt"
	"os"
	"strings"
)

// startField is the place of starttime in /proc/<pid>/stat, counted after the
// command's closing parenthesis: field 22 of proc_pid_stat(5), in clock ticks since boot.
const startField = 22 - 3

// process tells whether a process runs, and when it started.
func process(pid int) (started string, alive bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) <= startField || fields[0] == "Z" {
		return "", false
	}
	return fields[startField], true
}
