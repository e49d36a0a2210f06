module Noisy.Tests.Main

open System
open Expecto
open Expecto.Impl

/// Every list of tests, one line a file: what is not named here does not run.
let private lists = [
    SpecTests.tests
    ScheduleTests.tests
    NormalTests.tests
    HardFunctionTests.tests
    NoisyFunctionTests.tests
    MomentTests.tests
    KernelTests.tests
    SpecialValueTests.tests
    SamplingTests.tests
    VocabularyTests.tests
    DataFileTests.tests
    DataCacheTests.tests
    PennTreebankTests.tests
    GeneratedCorpusTests.tests
    BpttBatchesTests.tests
    CharacterTextTests.tests
    ProgramTests.tests
    AssociativeRecallTests.tests
    MnistTests.tests
    GaussianMixtureTests.tests
    ParallelTextTests.tests
    SentenceBatchesTests.tests
    NpyFileTests.tests
    CaptionDataTests.tests
    TranslationWorldTests.tests
    CaptionWorldTests.tests
    TorchNativeTests.tests
    PlatformTests.tests
    ActivationTests.tests
    RecurrentTests.tests
    EngineTests.tests
    ThreadTeamTests.tests
    NtmTests.tests
    MonitorTests.tests
    DropInTests.tests
    DropInHookTests.tests
    DropInPlaceTests.tests
    DropInOutputTests.tests
    DropInWeightsTests.tests
    DropInLoopTests.tests
    FusedActivationTests.tests
    CellTests.tests
    GradientTests.tests
    GradientWriteTests.tests
    InferenceModeTests.tests
    NoiseAddressTests.tests
    DeviceTests.tests
    SignatureTests.tests
    NotFiniteTests.tests
    PackedTests.tests
    OperandTests.tests
    LimitTests.tests
    AttentionTests.tests
    AttentionStepTests.tests
    DecoderTests.tests
    LinearTests.tests
    MlpTests.tests
    OnnxTests.tests
    OnnxOwnTests.tests
    BleuTests.tests
    MeteorTests.tests
    BeamSearchTests.tests
    FormatTests.tests
    OptimizerTests.tests
    FusedOptimTests.tests
    CurriculumTests.tests
    UniqueElementsTests.tests
    CharacterLmTests.tests
    TranslationTests.tests
    CaptionTests.tests
    ResumeTests.tests
    LogTests.tests
    ExportTests.tests
    StoredFileTests.tests
    OwnTextTests.tests
    ReaderTests.tests
    CheckpointTests.tests
    FolderLossTests.tests
    TrainingTests.tests
    ExperimentTests.tests
    MlpTaskTests.tests
    InferenceTests.tests
    InferenceBatchTests.tests
    NtmRecallTests.tests
    OptionsTests.tests
    CalculatorTests.tests
    ReportTests.tests
    BenchTests.tests
    PageTests.tests
    FaultTests.tests
    FeatureTests.tests
    LearningToExecuteTests.tests
    ExampleTests.tests
    StatisticsTests.tests
    TensorBoardTests.tests
    LayerTests.tests
    OwnExperimentTests.tests
    OwnRunTests.tests
    StageTests.tests
    AddingTests.tests
    SweepTests.tests
    ReliabilityTests.tests
    StructureTests.tests
]

/// Runs the lists; the last line is 'N passed, N failed, N skipped' alone. A run of no tests fails, so that a
/// mistyped filter cannot look like success.
[<EntryPoint>]
let main arguments =
    if arguments = [| GradientTests.childTask |] then exit (GradientTests.faults ())
    let mutable counts = None

    let summary config (run: TestRunSummary) =
        async {
            do! TestPrinters.defaultPrinter.summary config run
            counts <- Some(run.passed.Length, run.failed.Length + run.errored.Length, run.ignored.Length)
        }

    let settings = [
        CLIArguments.Printer { TestPrinters.defaultPrinter with summary = summary }
        CLIArguments.Colours 0
        CLIArguments.No_Spinner
    ]

    let code = runTestsWithCLIArgs settings arguments (testList "noisy" lists)
    Console.Out.Flush()

    match counts with
    | None -> code // help or a list was requested, or the arguments are wrong: nothing ran
    | Some(passed, failed, skipped) ->
        if passed + failed = 0 then eprintfn "no test ran: is the filter right?"
        printf "\n%d passed, %d failed, %d skipped\n" passed failed skipped
        if code = 0 && (failed > 0 || passed = 0) then 1 else code
