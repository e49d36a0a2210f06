/// What a drop-in offers besides noisy modules: embeddings, and the loss of an output layer.
module Noisy.Tests.DropInLoopTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DropInModels
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A language model: its embedding in a field of torch's general type or of its own.
type private Language(closed: bool, embedding: TorchSharp.Modules.Embedding) as this =
    inherit torch.nn.Module<Tensor, Tensor>("language")
    let general: Map = if closed then null else embedding
    let own: TorchSharp.Modules.Embedding = if closed then embedding else null
    let lstm: Lstm = torch.nn.LSTM(4L, 6L)
    let head = torch.nn.Linear(6L, 9L)
    do
        this.register_module ("embedding", embedding)
        this.register_module ("lstm", lstm)
        this.register_module ("head", head)
        use _ = torch.no_grad ()
        for i, p in Seq.indexed (this.parameters ()) do p.copy_ (filled (int64 i) (shape p)) |> ignore
    member _.Head = head
    member _.Hidden(tokens: Tensor) =
        let struct (output, _, _) = lstm.call ((if closed then own.call tokens else general.call tokens), Nullable())
        output
    override this.forward tokens = head.call (this.Hidden tokens)

let private language closed = new Language(closed, torch.nn.Embedding(9L, 4L))
let private tokens: int64[] = [| 1L; 3L; 3L; 8L; 0L; 1L |]
let private ids () : Tensor = torch.tensor(tokens).reshape (3L, 2L)
let private replace (model: torch.nn.Module) = Noisify.Replace(model, Variants.Soft, clock (), embeddings = true)

let private trace (model: Language) (ids: Tensor) =
    model.zero_grad ()
    let output = model.call ids
    (output * filled 9L (shape output)).sum().backward ()
    ("output", output.detach ()) :: [ for struct (name, p) in model.named_parameters () do if not (isNull p.grad) then name, p.grad.clone () ]

let private embeddings =
    [ for closed in [ false; true ] do
          let where = if closed then "in a field of its own type" else "in a field of torch's general type"
          torchTest $"an embedding {where} is replaced, and nothing changes" (fun () ->
              let model = language closed
              let before = trace model (ids ())
              let report = replace model
              Expect.equal (paths report.Replaced) [ "embedding"; "lstm" ] "replaced"
              Expect.stringContains (string (entry report "embedding")) "embedding: Embedding -> EmbeddingRows (9 rows of 4" "line"
              Expect.equal (entry report "embedding").ByHook closed "hook"
              for ids in [ ids (); (ids ()).to_type torch.ScalarType.Int32 ] do
                  let after = trace model ids
                  Expect.equal (List.map fst after) (List.map fst before) "names"
                  for (what, e), (_, a) in List.zip before after do closeTensor tensor32 e a what
              Expect.isEmpty report.NotCalled "calls"
              Expect.isEmpty (replace model).Entries "a second call finds nothing to do"
              Expect.hasLength (report.Saturation(fun () -> model.call (ids ()) |> ignore)) 1 "the noisy ones")

      torchTest "embeddings stay and are not spoken of unless asked for" (fun () ->
          let model = language false
          Expect.equal (paths (Noisify.Replace(model, Variants.Soft, clock ())).Entries) [ "lstm" ] "entries")

      torchTest "the argument where is asked about an embedding too" (fun () ->
          let model = language false
          let report = Noisify.Replace(model, Variants.Soft, clock (), embeddings = true, where = fun path _ -> path <> "embedding")
          Expect.equal (paths report.LeftOut) [ "embedding" ] "left out")

      torchTest "an embedding that does more than to look rows up stays, and the report says why" (fun () ->
          let cases: (string * TorchSharp.Modules.Embedding) list =
              [ "row 2 gets no gradient (padding_idx)", torch.nn.Embedding(9L, 4L, padding_idx = Nullable 2L)
                "row 8 gets no gradient (padding_idx)", torch.nn.Embedding(9L, 4L, padding_idx = Nullable -1L)
                "it has max_norm, which changes weights as they are looked up", torch.nn.Embedding(9L, 4L, max_norm = Nullable 100.0)
                "its gradient is scaled (scale_grad_by_freq)", torch.nn.Embedding(9L, 4L, scale_grad_by_freq = true)
                "its gradient is sparse (sparse: true)", torch.nn.Embedding(9L, 4L, sparse = true)
                "its parameter is not what it looks up, as TorchSharp leaves it after Embedding_from_pretrained", torch.nn.Embedding_from_pretrained (filled 1L [ 9L; 4L ]) ]
          for reason, embedding in cases do
              let model = new Language(false, embedding)
              let before = values embedding.weight
              let report = replace model
              Expect.equal (paths report.LeftOut) [ "embedding" ] reason
              Expect.equal (entry report "embedding").Note reason "note"
              Expect.equal (values embedding.weight) before "weights"
              Expect.isTrue (isNull embedding.weight.grad) "no gradient is left")

      torchTest "frozen weights stay frozen, one row is enough, and the weights are the same objects" (fun () ->
          let model = new Language(false, torch.nn.Embedding(1L, 4L))
          let weight = model.get_parameter "embedding.weight"
          weight.requires_grad <- false
          let report = replace model
          Expect.equal (entry report "embedding").Outcome NoisifyOutcome.Replaced "outcome"
          Expect.isTrue (obj.ReferenceEquals(model.get_parameter "embedding.weight", weight)) "weight"
          Expect.isFalse weight.requires_grad "frozen")

      torchTest "a weight that an output layer shares gets both gradients" (fun () ->
          let grads replaced =
              let embedding = torch.nn.Embedding(9L, 4L)
              (use _ = torch.no_grad () in embedding.weight.copy_ (filled 1L [ 9L; 4L ]) |> ignore)
              let model = torch.nn.Sequential(embedding)
              let head = torch.nn.Linear(4L, 9L, hasBias = false)
              head.weight <- embedding.weight
              if replaced then replace model |> ignore
              [ for _ in 1 .. 2 do
                    head.weight.grad <- null
                    let rows = model.call (torch.tensor tokens)
                    let loss = if replaced then LinearCrossEntropy.Sum(rows, head.weight, null, torch.tensor tokens) else torch.nn.functional.cross_entropy (head.call rows, torch.tensor tokens, reduction = torch.nn.Reduction.Sum)
                    loss.backward ()
                    values head.weight.grad ]
          for e, a in List.zip (grads false) (grads true) do Array.iter2 (fun e a -> Tol.close tensor32 e a "gradient") e a) ]

let private loss =
    [ for reduction in [ torch.nn.Reduction.Mean; torch.nn.Reduction.Sum; torch.nn.Reduction.None ] do
          for ignored in [ Nullable(); Nullable 3L; Nullable -1L ] do
              for leading in [ [ 6L ]; [ 3L; 2L ]; [ 1L; 3L; 2L ] ] do
                  torchTest $"{reduction}, ignored {ignored}, {leading}: the loss and its gradients are torch's" (fun () ->
                      let linear = torch.nn.Linear(6L, 9L)
                      let index = if ignored.HasValue then ignored.Value else -100L
                      let targets: Tensor = torch.tensor([| 1L; 3L; index; 8L; 0L; 1L |]).reshape (List.toArray leading)
                      let run (compute: Tensor -> Tensor) =
                          linear.zero_grad ()
                          let x = (filled 2L (leading @ [ 6L ])).requires_grad_ ()
                          let value = compute x
                          (value * filled 3L (shape value)).sum().backward ()
                          [ value.detach (); x.grad; linear.weight.grad.clone (); linear.bias.grad.clone () ]
                      let theirs = torch.nn.CrossEntropyLoss(ignore_index = ignored, reduction = reduction)
                      let ours = new LinearCrossEntropyLoss(linear, ignored, reduction)
                      Expect.isEmpty (ours.parameters ()) "no parameters of its own"
                      let expected = run (fun x -> let value = theirs.call (linear.call(x).reshape (-1L, 9L), targets.reshape -1L) in if value.dim () = 0L then value else value.reshape targets.shape)
                      for e, a in List.zip expected (run (fun x -> ours.call (x, targets))) do closeTensor tensor32 e a "value or gradient")

      torchTest "the mean of no target is not a number, and its gradient is torch's" (fun () ->
          let linear = torch.nn.Linear(3L, 4L)
          let targets = torch.tensor [| -100L; -100L |]
          let run (compute: Tensor -> Tensor) =
              linear.zero_grad ()
              let x = (filled 1L [ 2L; 3L ]).requires_grad_ ()
              let value = compute x
              value.backward ()
              [ values value; values x.grad; values linear.weight.grad; values linear.bias.grad ]
          let theirs = run (fun x -> torch.nn.functional.cross_entropy (linear.call x, targets))
          Expect.isTrue (Double.IsNaN theirs[0].[0]) "torch"
          let ours = run (fun x -> (new LinearCrossEntropyLoss(linear)).call (x, targets))
          for e, a in List.zip theirs ours do Array.iter2 (fun e a -> Tol.close tensor32 e a "value or gradient") e a)

      torchTest "a penalty on the loss's gradient has torch's value" (fun () ->
          let linear = torch.nn.Linear(3L, 4L)
          let targets = torch.tensor [| 1L; 3L |]
          let run (compute: Tensor -> Tensor) =
              let x = (filled 1L [ 2L; 3L ]).requires_grad_ ()
              let g = torch.autograd.grad ([| compute x |], [| x |], create_graph = true, retain_graph = true)
              g[0].square().sum().backward ()
              values x.grad
          let theirs = run (fun x -> torch.nn.functional.cross_entropy (linear.call x, targets))
          Array.iter2 (fun e a -> Tol.close tensor32 e a "gradient") theirs (run (fun x -> (new LinearCrossEntropyLoss(linear)).call (x, targets))))

      torchTest "double precision is torch's" (fun () ->
          let linear = torch.nn.Linear(3L, 4L, dtype = torch.ScalarType.Float64)
          let x, targets = (filled 1L [ 2L; 3L ]).to_type torch.ScalarType.Float64, torch.tensor [| 1L; 3L |]
          sameTensor (torch.nn.functional.cross_entropy (linear.call x, targets)) ((new LinearCrossEntropyLoss(linear)).call (x, targets)) "loss")

      torchTest "hooks of the layer, other shapes and no classes are refused" (fun () ->
          let linear = torch.nn.Linear(3L, 4L)
          let loss = new LinearCrossEntropyLoss(linear)
          let x = filled 1L [ 2L; 3L ]
          Tol.throws<ArgumentException> "input is [2, 3], target [3]: must be [.., 3] and [..], the same leading sizes (Parameter 'target')"
              (fun () -> loss.call (x, torch.tensor [| 1L; 2L; 3L |]) |> ignore)
          Expect.throwsC (fun () -> loss.call (x, torch.tensor [| 1L; 4L |]) |> ignore) (fun e -> Expect.stringContains e.Message "target 1 is 4" "class")
          linear.register_forward_hook (fun _ _ output -> output) |> ignore
          Expect.throwsC (fun () -> loss.call (x, torch.tensor [| 1L; 2L |]) |> ignore) (fun e -> Expect.stringContains e.Message "hooks" "hook")) ]

let private loop =
    [ torchTest "a whole loop with everything exchanged trains as torch's does" (fun () ->
          let train exchanged =
              let model = language false
              if exchanged then replace model |> ignore
              let optimizer = if exchanged then FusedOptim.SGD(model.parameters (), 0.1, 0.9) else torch.optim.SGD(model.parameters (), 0.1, 0.9)
              let fused, torchs = new LinearCrossEntropyLoss(model.Head), torch.nn.CrossEntropyLoss()
              let losses =
                  [ for i in 0L .. 7L do
                        use _ = torch.NewDisposeScope()
                        let input = (ids () + torch.tensor i).remainder (9L.ToScalar())
                        let targets = (input + torch.tensor 1L).remainder (9L.ToScalar())
                        optimizer.zero_grad ()
                        let loss =
                            if exchanged then fused.call (model.Hidden input, targets)
                            else torchs.call (model.call(input).reshape (-1L, 9L), targets.reshape -1L)
                        loss.backward ()
                        (if exchanged then FusedOptim.clip_grad_norm_ (model.parameters (), 0.5) else torch.nn.utils.clip_grad_norm_ (model.parameters (), 0.5)) |> ignore
                        optimizer.step () |> ignore
                        scalarOf loss ]
              optimizer.Dispose()
              losses, [ for p in model.parameters () -> values p ]
          let (expected, weights), (actual, ours) = train false, train true
          for e, a in List.zip expected actual do Tol.close tensor32Slope e a "loss"
          for e, a in List.zip weights ours do Array.iter2 (fun e a -> Tol.close tensor32Slope e a "weight") e a)

      torchTest "a loop in which everything is exchanged keeps no tensor" (fun () ->
          let model = language true
          replace model |> ignore
          let optimizer = FusedOptim.Adam(model.parameters ())
          let loss = new LinearCrossEntropyLoss(model.Head)
          let update () =
              use _ = torch.NewDisposeScope()
              optimizer.zero_grad ()
              loss.call(model.Hidden(ids ()), ids ()).backward ()
              FusedOptim.clip_grad_norm_ (model.parameters (), 0.01) |> ignore
              optimizer.step () |> ignore
          for _ in 1..3 do update ()
          GC.Collect() // what other tests left is not counted
          GC.WaitForPendingFinalizers()
          let before = torch.Tensor.TotalCount
          for _ in 1..20 do update ()
          Expect.equal torch.Tensor.TotalCount before "tensors") ]

let tests =
    testSequenced // one counts tensors
    <| testList "drop-in loop" [
        testList "embeddings" embeddings
        testList "loss" loss
        testList "whole" loop
    ]
