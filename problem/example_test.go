package problem_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/droverhq/drover/problem"
)

// An error that ends with what to do about it, and its exit code.
func ExamplePrint() {
	err := fmt.Errorf("up: %w", &problem.Error{
		Kind: problem.Usage, At: problem.Place{File: "drover.yaml", Line: 14}, Op: "nodeGroups.web.capacity",
		Err: errors.New("is missing"), Fix: "add capacity: 3",
	})
	problem.Print(os.Stdout, err)
	fmt.Println("exit code", problem.Exit(err))
	// Output:
	// error: up: drover.yaml:14: nodeGroups.web.capacity: is missing
	//   fix: add capacity: 3
	// exit code 2
}
