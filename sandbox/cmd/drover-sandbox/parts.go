package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/sandbox/internal/aws"
	"github.com/droverhq/drover/sandbox/internal/ccm"
	"github.com/droverhq/drover/sandbox/internal/controlplane"
	"github.com/droverhq/drover/sandbox/internal/ebs"
	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/image/coredns"
	"github.com/droverhq/drover/sandbox/internal/images"
	"github.com/droverhq/drover/sandbox/internal/launch"
	"github.com/droverhq/drover/sandbox/internal/machine"
	"github.com/droverhq/drover/sandbox/internal/node"
	"github.com/droverhq/drover/sandbox/internal/supervisor"
)

// parts are the processes that a sandbox is made of.
func parts(locate locator) []*cobra.Command {
	return []*cobra.Command{
		probeCommand(), superviseCommand(locate), controlplaneCommand(locate), awsCommand(locate),
		ccmCommand(locate), nodeCommand(locate), corednsCommand(),
	}
}

func probeCommand() *cobra.Command {
	return &cobra.Command{
		Use:  "probe",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The launcher puts this into an error of its own.
			if err := launch.Probe(); err != nil {
				_, _ = fmt.Fprintln(cmd.ErrOrStderr(), err)
				os.Exit(int(problem.Refused))
			}
			return nil
		},
	}
}

func superviseCommand(locate locator) *cobra.Command {
	var c supervisor.Config
	cmd := &cobra.Command{
		Use:  "supervise",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if c.Dir, err = locate(); err != nil {
				return err
			}
			if c.Program, err = os.Executable(); err != nil {
				return err
			}
			return launch.Supervise(cmd.Context(), c, cmd.InOrStdin())
		},
	}
	portFlags(cmd, &c.AWSPort, &c.APIPort)
	cmd.Flags().StringVar(&c.Region, "region", "", "AWS region")
	return cmd
}

func controlplaneCommand(locate locator) *cobra.Command {
	c := controlplane.Config{Advertise: supervisor.APIAddress}
	cmd := &cobra.Command{
		Use:  "controlplane",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := locate()
			if err != nil {
				return err
			}
			c.Dir = dir.Plane(c.Number)
			var cluster machine.Cluster
			if err := folder.ReadJSON(c.Dir.Cluster(), &cluster); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			c.Emulates = cluster.Emulates
			return controlplane.Run(cmd.Context(), c)
		},
	}
	portFlags(cmd, &c.AWSPort, &c.APIPort)
	planeFlag(cmd, &c.Number)
	return cmd
}

func ccmCommand(locate locator) *cobra.Command {
	var number int
	cmd := &cobra.Command{
		Use:  "ccm",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := locate()
			if err != nil {
				return err
			}
			plane := dir.Plane(number)
			var cluster machine.Cluster
			if err := folder.ReadJSON(plane.Cluster(), &cluster); err != nil {
				return err
			}
			tasks, ctx := errgroup.WithContext(cmd.Context())
			tasks.Go(func() error {
				return ccm.Run(ctx, ccm.Config{Cluster: cluster, Kubeconfig: plane.CCMKubeconfig(), CloudConfig: plane.CloudConfig()})
			})
			tasks.Go(func() error {
				return ebs.Run(ctx, ebs.Config{Dir: dir, Kubeconfig: plane.CCMKubeconfig(), Region: cluster.Region, Endpoint: os.Getenv("AWS_ENDPOINT_URL")})
			})
			return tasks.Wait()
		},
	}
	planeFlag(cmd, &number)
	return cmd
}

func awsCommand(locate locator) *cobra.Command {
	var c aws.Config
	cmd := &cobra.Command{
		Use:  "aws",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := locate()
			if err != nil {
				return err
			}
			c.Dir, c.Latency, c.Inside = dir.String(), os.Getenv(latencyVariable), supervisor.APIAddress
			return aws.Run(cmd.Context(), c)
		},
	}
	cmd.Flags().IntVar(&c.Port, "aws-port", 0, "port of the AWS endpoint")
	cmd.Flags().StringVar(&c.Region, "region", "", "AWS region")
	return cmd
}

func nodeCommand(locate locator) *cobra.Command {
	var file, region string
	var apiPort, awsPort int
	cmd := &cobra.Command{
		Use:  "node",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := locate()
			if err != nil {
				return err
			}
			program, err := os.Executable()
			if err != nil {
				return err
			}
			c := node.Config{
				Dir:        dir,
				API:        fmt.Sprintf("https://%s:%d", supervisor.APIAddress, apiPort),
				Program:    program,
				PodProgram: filepath.Join(filepath.Dir(program), launch.PodProgram),
				AWS:        fmt.Sprintf("http://%s:%d", supervisor.APIAddress, awsPort),
				Region:     region,
			}
			if err := folder.ReadJSON(file, &c.Machine); err != nil {
				return err
			}
			// A line says that the machine's link stands; its end without one, that it never will.
			if _, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n'); err != nil {
				return fmt.Errorf("wait for the machine's link: %w", err)
			}
			return node.Run(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&file, "machine", "", "file that describes the machine")
	portFlags(cmd, &awsPort, &apiPort)
	cmd.Flags().StringVar(&region, "region", "", "AWS region")
	return cmd
}

// corednsCommand is the program of an image: pods start it.
func corednsCommand() *cobra.Command {
	return &cobra.Command{
		Use:                images.CoreDNS,
		DisableFlagParsing: true,
		Run: func(_ *cobra.Command, args []string) {
			os.Args = append([]string{images.CoreDNS}, args...) // it reads them there
			coredns.Run()
		},
	}
}

func portFlags(cmd *cobra.Command, awsPort, apiPort *int) {
	cmd.Flags().IntVar(awsPort, "aws-port", 0, "port of the AWS endpoint")
	cmd.Flags().IntVar(apiPort, "api-port", 0, "port of the API server")
}

func planeFlag(cmd *cobra.Command, number *int) {
	cmd.Flags().IntVar(number, "plane", 0, "number of the control plane")
}
