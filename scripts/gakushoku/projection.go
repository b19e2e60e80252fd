package main

type projectionCommands struct {
	List     listCommand     `cmd:"" help:"List the read models and their table versions."`
	Status   statusCommand   `cmd:"" help:"Show where the read models stand, and rebuilds that are going on."`
	Verify   verifyCommand   `cmd:"" help:"Compare every row and total with the events."`
	Rebuild  rebuildCommand  `cmd:"" help:"Rebuild a read model beside the live one, verify it, and switch readers to it."`
	Runs     runsCommand     `cmd:"" help:"List the rebuilds of a read model, and why those that failed did."`
	Approve  approveCommand  `cmd:"" help:"Answer a rebuild that waits before the switch."`
	Abandon  abandonCommand  `cmd:"" help:"End a rebuild before its switch, or clear away one that was cut off."`
	Rollback rollbackCommand `cmd:"" help:"Show readers the version before the last switch again."`
	Cleanup  cleanupCommand  `cmd:"" help:"Drop the versions that are no longer needed."`
	Heal     healCommand     `cmd:"" help:"Fold single streams again and write their rows where they differ."`
	Park     parkCommands    `cmd:"" help:"Look at parked streams."`
}
