package demo

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// narrator writes what a person reads between the commands.
type narrator struct{ out io.Writer }

func (n narrator) chapter(title string) {
	const width = 100
	rule := strings.Repeat("─", max(width-len([]rune(title))-4, 3))
	_, _ = fmt.Fprintf(n.out, "\n── %s %s\n\n", title, rule)
}

func (n narrator) say(format string, args ...any) {
	_, _ = fmt.Fprintf(n.out, format+"\n", args...)
}

func (n narrator) command(line string) {
	_, _ = fmt.Fprintf(n.out, "$ %s\n", line)
}

// lookAround tells how to go on by hand in a sandbox that was kept.
func (n narrator) lookAround(o Options, sandboxDir string) {
	drover := o.Drover + " sandbox"
	n.chapter("Everything is left running: look around")
	n.say(`  export DROVER_SANDBOX_DIR=%s
  eval "$(%s env)"
  kubectl get pods -A -o wide
  aws elb describe-load-balancers
  cd %s && %s stack output
  %s exec -- curl -s -H 'Host: apps.example.com' "http://$(%s -C %s stack output nginxServiceUrl)/echoserver"
  %s stop --purge      # ends it and removes its folder`,
		sandboxDir, drover, filepath.Join(o.Dir, "project"), o.Drover, drover, o.Drover, filepath.Join(o.Dir, "project"), drover)
}
