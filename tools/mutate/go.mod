// The tool that changes the code and asks whether a test notices: standard
// library only.
module github.com/droverhq/drover/tools/mutate

go 1.26.0
