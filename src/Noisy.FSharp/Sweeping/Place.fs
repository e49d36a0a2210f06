namespace Noisy.FSharp

/// What the array job of a sweep asks of a Slurm cluster.
type SlurmJob =
    { /// The time limit of a task, minutes, at least 1. A run may take longer: its task is stopped with a checkpoint and queued again.
      Minutes: int
      /// Tasks at once; None leaves that to the cluster.
      Jobs: int option
      /// "" takes the cluster's default.
      Partition: string
      /// Further options of sbatch, one each, such as "--account=x".
      Options: string list }

/// Where the runs of a sweep are trained.
type Place =
    /// This machine, by so many processes at once; None: as many as its cores hold.
    | Local of jobs: int option
    /// A cluster that shares its files with this machine.
    | Slurm of SlurmJob
