// Package drover is the root of the module. The library of the commands is
// package project; package move is the one for clusters without a stack.
package drover
