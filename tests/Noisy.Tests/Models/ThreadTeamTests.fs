/// The team of threads that shares the engine's work.
module Noisy.Tests.ThreadTeamTests

open System
open Expecto
open Noisy.Core

let tests =
    testSequenced // the team is one, and the engine's tests use it
    <| testList "thread team" [
        test "a thread team does every share of every job once, on more threads than cores" {
            // Thousands of tiny jobs: threads fall asleep, are woken late, and meet jobs that do not concern them.
            for i in 1 .. 20_000 do
                let threads = 1 + i % (Environment.ProcessorCount + 2)
                let counts = Array.zeroCreate<int> threads
                ThreadTeam.Shared.Run(threads, fun (m: TeamMember) ->
                    m.Barrier()
                    counts[m.Index] <- counts[m.Index] + 1)
                if i % 500 = 0 then Threading.Thread.Sleep 1
                if counts |> Array.exists (fun c -> c <> 1) then failtest $"job {i}: %A{counts}"
        }

        test "a member that fails fails the job, and the next one runs" {
            let threads = 3
            Expect.throwsT<InvalidOperationException>
                (fun () -> ThreadTeam.Shared.Run(threads, fun (m: TeamMember) -> if m.Index = 1 then failwith "broken" else m.Barrier()))
                "job"
            let sum = ref 0
            ThreadTeam.Shared.Run(threads, fun (m: TeamMember) -> Threading.Interlocked.Add(sum, m.Index) |> ignore)
            Expect.equal sum.Value 3 "next"
        }

        test "memory of a size that came once is freed after many others have come" {
            let once = BufferPool.Rent 12_345_678L
            BufferPool.Return once
            let again = BufferPool.Rent 12_345_678L
            Expect.isTrue (obj.ReferenceEquals(once, again)) "it waits for its next use"
            BufferPool.Return again
            for _ in 0..10_000 do BufferPool.Return(BufferPool.Rent 64L)
            use other = BufferPool.Rent 12_345_678L
            Expect.isFalse (obj.ReferenceEquals(once, other)) "it is gone"
        }
    ]
