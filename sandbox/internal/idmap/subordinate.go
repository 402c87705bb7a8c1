package idmap

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// most is how many IDs a namespace gets: those of 16 bits, which is as many as
// images use and as every user's subordinate ones suffice for.
const most = 1 << 16

// rootsFirst begins the IDs that root's sandbox uses where nobody has given
// root any: the last 65,535 below 2³¹, beyond what distributions, systemd
// (systemd.io/UIDS-GIDS) and shadow's useradd give away.
const rootsFirst = 0x7fff0000

// Single is the mapping of one user alone: root is who calls.
func Single() IDs {
	return IDs{Users: Map{{Outside: int64(os.Getuid()), Count: 1}}, Groups: Map{{Outside: int64(os.Getgid()), Count: 1}}}
}

// Subordinate is Single and, after root, the subordinate IDs of who calls.
func Subordinate() (IDs, error) {
	ids := Single()
	names := []string{strconv.Itoa(os.Getuid())}
	if u, err := user.LookupId(names[0]); err == nil {
		names = append(names, u.Username)
	}
	for file, m := range map[string]*Map{"/etc/subuid": &ids.Users, "/etc/subgid": &ids.Groups} {
		r, err := subordinate(file, names)
		if err != nil && os.Geteuid() == 0 {
			r, err = Range{Outside: rootsFirst, Count: most - 1}, nil
		}
		if err != nil {
			return IDs{}, err
		}
		r.Inside, r.Count = 1, min(r.Count, most-1)
		*m = append(*m, r)
	}
	return ids, nil
}

// subordinate is the longest range that a file as subuid(5) gives to one of the
// names of a user.
func subordinate(file string, names []string) (Range, error) {
	f, err := os.Open(file)
	if err != nil {
		return Range{}, err
	}
	defer func() { _ = f.Close() }()
	var longest Range
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		for _, name := range names {
			if r, ok := parse(lines.Text(), name); ok && r.Count > longest.Count {
				longest = r
			}
		}
	}
	if err := lines.Err(); err != nil {
		return Range{}, fmt.Errorf("read %s: %w", file, err)
	}
	if longest.Count == 0 {
		return Range{}, fmt.Errorf("%s has no line of %s", file, strings.Join(names, " or "))
	}
	return longest, nil
}

// parse reads a line of a user: name:first:count.
func parse(line, name string) (Range, bool) {
	fields := strings.Split(strings.TrimSpace(line), ":")
	if len(fields) != 3 || fields[0] != name {
		return Range{}, false
	}
	first, err := strconv.ParseInt(fields[1], 10, 64)
	count, err2 := strconv.ParseInt(fields[2], 10, 64)
	return Range{Outside: first, Count: count}, errors.Join(err, err2) == nil && count > 0
}
