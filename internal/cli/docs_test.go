package cli

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var updateGolden = flag.Bool("update", false, "write docs/commands.md anew")

// docs/commands.md is what the commands say of themselves.
func TestCommandsPage(t *testing.T) {
	const page = "../../docs/commands.md"
	env, _, _ := screenOf()
	root := newRoot(env)
	root.InitDefaultCompletionCmd()
	want := commandsPage(root)
	if *updateGolden {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/commands.md is not what the commands say (make update)")
	}
}

// Every variable that the commands ask for is in the list, and every one in it
// is asked for.
func TestVariablesAreListed(t *testing.T) {
	var listed []string
	for _, v := range variables {
		listed = append(listed, v.Name)
	}
	slices.Sort(listed)
	asked := slices.Compact(slices.Sorted(slices.Values(askedFor(t, ".", "../view/tui"))))
	if !slices.Equal(asked, listed) {
		t.Errorf("the code asks for\n%q\nthe list has\n%q", asked, listed)
	}
}

var ownVariable = regexp.MustCompile(`^DROVER_[A-Z_]+$`)

// askedFor are the texts given to functions called Getenv or getenv, and those
// that are a name of our own.
func askedFor(t *testing.T, folders ...string) []string {
	t.Helper()
	var names []string
	for _, folder := range folders {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "variables.go" {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if len(n.Args) == 1 && strings.EqualFold(calledName(n), "getenv") {
						names = append(names, said(n.Args[0]))
					}
				case *ast.BasicLit:
					if ownVariable.MatchString(said(n)) {
						names = append(names, said(n))
					}
				}
				return true
			})
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

func calledName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// said is what a literal says; empty: it is none.
func said(e ast.Expr) string {
	if lit, is := e.(*ast.BasicLit); is && lit.Kind == token.STRING {
		if text, err := strconv.Unquote(lit.Value); err == nil {
			return text
		}
	}
	return ""
}

const pageHead = `# Commands

This page is made from the program (` + "`make update`" + `). ` + "`drover COMMAND --help`" + ` prints the same. What the
exit codes mean, and whether anything was changed: [exit-codes.md](exit-codes.md). The commands of ` + "`drover sandbox`" + ` are
in [sandbox.md](sandbox.md#commands).

`

// commandsPage describes a tree of commands.
func commandsPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(pageHead)
	b.WriteString("## Flags of every command\n\n")
	flags(&b, root.PersistentFlags())
	b.WriteString("\n## Environment\n\n| variable | what |\n|---|---|\n")
	for _, v := range variables {
		fmt.Fprintf(&b, "| `%s` | %s |\n", v.Name, cell(v.Means))
	}
	b.WriteString("\nCredentials, region, profile and endpoints come from the standard AWS chain (`AWS_PROFILE`, `AWS_REGION`,\n" +
		"`AWS_ENDPOINT_URL` …), clusters of `--context` and `--kubeconfig` from kubectl's (`KUBECONFIG`). The sandbox has\n" +
		"[variables of its own](sandbox.md).\n")
	for _, cmd := range root.Commands() {
		section(&b, cmd)
	}
	return b.String()
}

// section describes a command that does something, or those below it.
func section(b *strings.Builder, cmd *cobra.Command) {
	if cmd.Hidden || cmd.Name() == "help" {
		return
	}
	_, group, _ := strings.Cut(cmd.CommandPath(), " ")
	fmt.Fprintf(b, "\n## %s\n\n    %s\n\n", group, strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	if cmd.Name() == "completion" { // its own commands differ in the shell's name only
		fmt.Fprintf(b, "%s: bash, zsh, fish or powershell. `drover completion SHELL --help` says how to load it.\n", strings.TrimSuffix(cmd.Short, "."))
		return
	}
	about(b, cmd)
	if cmd.Example != "" {
		fmt.Fprintf(b, "\nFor example:\n\n%s\n", indented(cmd.Example))
	}
	if cmd.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteString("\n")
		flags(b, cmd.LocalNonPersistentFlags())
	}
	if cmd.HasAvailableSubCommands() {
		for _, sub := range cmd.Commands() {
			section(b, sub)
		}
		return
	}
	var codes []string
	for _, k := range kindsOf(cmd) {
		codes = append(codes, strconv.Itoa(int(k)))
	}
	slices.SortFunc(codes, func(a, b string) int { return number(a) - number(b) })
	fmt.Fprintf(b, "\nExit codes: %s.\n", strings.Join(slices.Compact(codes), ", "))
}

func number(text string) int {
	n, _ := strconv.Atoi(text) // it was one
	return n
}

// about is a command's own text, without the exit codes that stand below.
func about(b *strings.Builder, cmd *cobra.Command) {
	text, _, _ := strings.Cut(cmd.Long, "\n\nExit codes:")
	if text == "" {
		text = cmd.Short + "."
	}
	inCode := false
	for line := range strings.Lines(text) {
		code := strings.HasPrefix(line, "  ")
		switch {
		case code && !inCode && !strings.HasSuffix(b.String(), "\n\n"):
			b.WriteString("\n")
		case !code:
			line = plain(line)
		}
		if code {
			line = "  " + line
		}
		inCode = code
		b.WriteString(line)
	}
	b.WriteString("\n")
}

func indented(example string) string {
	var lines []string
	for line := range strings.Lines(example) {
		lines = append(lines, "    "+strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n")
}

// flags is a table of them.
func flags(b *strings.Builder, set *pflag.FlagSet) {
	b.WriteString("| flag | default | what |\n|---|---|---|\n")
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "`--" + f.Name
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		if value != "" {
			name += " " + value
		}
		fmt.Fprintf(b, "| %s` | %s | %s |\n", name, defaultOf(f), cell(usage))
	})
}

// defaultOf is empty where the default is nothing.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "false", "0s":
		return ""
	}
	return "`" + strings.Trim(f.DefValue, "[]") + "`"
}

// cell is text within a table, plain text outside of one.
func cell(text string) string { return plain(strings.ReplaceAll(text, "|", `\|`)) }

var pageName = regexp.MustCompile(`docs/([a-z-]+\.md)`)

// plain is text as Markdown, with links to the pages that it names.
func plain(text string) string {
	text = strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(text)
	return pageName.ReplaceAllString(text, "[$1]($1)")
}
