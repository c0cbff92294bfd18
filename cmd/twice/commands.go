//go:build !ahead

package main

import "github.com/spf13/cobra"

// commands are all that twice can do; see ahead.go for the other list.
func commands(g *global) []*cobra.Command {
	return []*cobra.Command{
		newVerify(g),
		newReport(g),
		newBuild(g),
		newPublish(g),
		newDiff(g),
		newInit(),
		newLock(g),
		newFetch(g),
		newBundle(g),
		newPlan(g),
		newRecipe(g),
		newImage(g),
		newNormalize(g),
		newSBOM(g),
		newCheck(g),
		newConfig(),
		newStore(g),
		newDoctor(g),
		newMan(),
		newConsensus(g),
		newSign(g),
		newAudit(g),
		newBisect(g),
		newRebuild(g),
		newProvenance(g),
	}
}
