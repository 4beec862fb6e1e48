// Package operator holds what the people who run a deployment can do with it.
package operator
