package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/project"
)

func newConfig(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Read and write the stack's config: set, get, ls, rm",
		Long: `Config holds what differs between stacks, in drover.<stack>.yaml. In drover.yaml
a value stands as ${config.KEY}. Keys that Drover itself reads:

  aws:region   the AWS region, as in us-west-2 (else the AWS chain's)`,
	}
	cmd.AddCommand(newConfigSet(env), newConfigGet(env), newConfigList(env), newConfigRemove(env))
	return cmd
}

func newConfigSet(env Env) *cobra.Command {
	var secret bool
	cmd := &cobra.Command{
		Use:   "set KEY [VALUE]",
		Short: "Set one value, in the open or sealed",
		Long: `Set one value in drover.<stack>.yaml. With --secret it is sealed with the key of
the stack, and shows nowhere; without VALUE it is read from the input, so that it
stands in no history of commands. The key is protected by a passphrase
(DROVER_PASSPHRASE, DROVER_PASSPHRASE_FILE, or asked for), or by a cloud's key
service: DROVER_KMS=awskms://alias/NAME?region=REGION when the first secret is set.`,
		Example: "  drover config set aws:region us-west-2\n  drover config set --secret db.password",
		Args:    cobra.RangeArgs(1, 2),

		ValidArgsFunction: offer(env, configOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			switch {
			case secret && len(args) == 1:
				v, err := hiddenLine(cmd.Context(), env, "Value of "+args[0]+": ")
				if err != nil {
					return fmt.Errorf("read the value: %w", err)
				}
				return p.SetSecret(cmd.Context(), args[0], v)
			case secret:
				return p.SetSecret(cmd.Context(), args[0], args[1])
			case len(args) == 1:
				return &problem.Error{Kind: problem.Usage, Op: "config set", Err: errors.New("there is no value"),
					Fix: fmt.Sprintf("drover config set %s VALUE", args[0])}
			}
			return p.SetConfig(cmd.Context(), args[0], args[1])
		}),
	}
	cmd.Flags().BoolVar(&secret, "secret", false, "seal the value")
	return cmd
}

func newConfigGet(env Env) *cobra.Command {
	var asJSON, show bool
	cmd := &cobra.Command{
		Use:   "get [KEY]",
		Short: "Print one value, or all",
		Args:  cobra.MaximumNArgs(1),

		ValidArgsFunction: offer(env, configOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			read := p.Config
			if show {
				read = p.RevealConfig
			}
			values, err := read(cmd.Context())
			if err != nil {
				return err
			}
			return printConfig(env, values, args, asJSON)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&show, "show-secrets", false, "print secrets in the open")
	return cmd
}

func newConfigList(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List all values; secrets do not show",
		Args:  cobra.NoArgs,
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, _ []string) error {
			values, err := p.Config(cmd.Context())
			if err != nil {
				return err
			}
			return printConfig(env, values, nil, asJSON)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newConfigRemove(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "rm KEY",
		Short: "Take one value out",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: offer(env, configOf),
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, args []string) error {
			return p.RemoveConfig(cmd.Context(), args[0])
		}),
	}
}

func printConfig(env Env, values map[string]any, keys []string, asJSON bool) error {
	if len(keys) == 1 {
		value, ok := values[keys[0]]
		if !ok {
			return &problem.Error{
				Kind: problem.Usage, Op: "config get", Err: fmt.Errorf("%q is not set", keys[0]),
				Fix: fmt.Sprintf("drover config set %s VALUE", keys[0]),
			}
		}
		if asJSON {
			return writeJSON(env.Stdout, value)
		}
		_, err := fmt.Fprintln(env.Stdout, value)
		return err
	}
	if asJSON {
		return writeJSON(env.Stdout, values)
	}
	names := slices.Sorted(maps.Keys(values))
	return writeTable(env.Stdout, "KEY\tVALUE", len(names), func(i int) string { return fmt.Sprint(names[i], "\t", values[names[i]]) })
}
