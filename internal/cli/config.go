package cli

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/problem"
)

func newConfig(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Read and write the stack's config: set, get",
		Long: `Config holds what differs between stacks, in drover.<stack>.yaml. In drover.yaml
a value stands as ${config.KEY}. Keys that Drover itself reads:

  aws:region   the AWS region, as in us-west-2 (else the AWS chain's)`,
	}
	set := &cobra.Command{
		Use:     "set KEY VALUE",
		Short:   "Set one value",
		Example: "  drover config set aws:region us-west-2",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			return p.SetConfig(cmd.Context(), args[0], args[1])
		},
	}
	var asJSON bool
	get := &cobra.Command{
		Use:   "get [KEY]",
		Short: "Print one value, or all",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := open(cmd, env)
			if err != nil {
				return err
			}
			values, err := p.Config(cmd.Context())
			if err != nil {
				return err
			}
			return printConfig(env, values, args, asJSON)
		},
	}
	get.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(set, get)
	return cmd
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
