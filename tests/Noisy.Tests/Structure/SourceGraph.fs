/// Which file a compiled type comes from, and which types each file uses: read from assemblies and their portable PDBs.
/// Constants are compiled into their users and do not show.
module Noisy.Tests.SourceGraph

open System
open System.Collections.Immutable
open System.IO
open System.Reflection.Emit
open System.Reflection.Metadata
open System.Reflection.Metadata.Ecma335
open System.Reflection.PortableExecutable

/// A file uses a type of another file; both paths are relative to the project's folder.
type Use = { From: string; To: string; Type: string }

type Graph =
    { /// Full name of each public type, with its files.
      PublicTypes: (string * string list) list
      Uses: Use list }

/// A signature's types of this assembly.
type private Types() =
    let none: TypeDefinitionHandle list = []
    interface ISignatureTypeProvider<TypeDefinitionHandle list, MetadataReader> with
        member _.GetArrayType(element, _) = element
        member _.GetByReferenceType element = element
        member _.GetFunctionPointerType signature = signature.ReturnType @ List.concat signature.ParameterTypes
        member _.GetGenericInstantiation(definition, arguments) = definition @ List.concat arguments
        member _.GetGenericMethodParameter(_, _) = none
        member _.GetGenericTypeParameter(_, _) = none
        member _.GetModifiedType(modifier, unmodified, _) = modifier @ unmodified
        member _.GetPinnedType element = element
        member _.GetPointerType element = element
        member _.GetPrimitiveType _ = none
        member _.GetSZArrayType element = element
        member _.GetTypeFromDefinition(_, handle, _) = [ handle ]
        member _.GetTypeFromReference(_, _, _) = none
        member this.GetTypeFromSpecification(reader, context, handle, _) =
            reader.GetTypeSpecification(handle).DecodeSignature(this, context)

let private operandTypes =
    typeof<OpCodes>.GetFields()
    |> Array.choose (fun field -> match field.GetValue null with :? OpCode as code -> Some(code.Value, code.OperandType) | _ -> None)
    |> dict

/// The metadata tokens of a method's instructions.
let private tokens (body: MethodBodyBlock) =
    let mutable il = body.GetILReader()
    let found = ResizeArray<EntityHandle>()
    while il.RemainingBytes > 0 do
        let first = il.ReadByte()
        let code = if first = 0xFEuy then int16 0xFE00 ||| int16 (il.ReadByte()) else int16 first
        match operandTypes[code] with
        | OperandType.InlineField | OperandType.InlineMethod | OperandType.InlineTok | OperandType.InlineType ->
            found.Add(MetadataTokens.EntityHandle(il.ReadInt32()))
        | OperandType.InlineNone -> ()
        | OperandType.ShortInlineBrTarget | OperandType.ShortInlineI | OperandType.ShortInlineVar -> il.ReadByte() |> ignore
        | OperandType.InlineVar -> il.ReadInt16() |> ignore
        | OperandType.InlineI8 | OperandType.InlineR -> il.ReadInt64() |> ignore
        | OperandType.InlineSwitch -> for _ in 1 .. il.ReadInt32() do il.ReadInt32() |> ignore
        | _ -> il.ReadInt32() |> ignore
    found

let private typeDocuments = Guid "932E74BC-DBA9-4478-8D46-0F32A7BAB3D3"

/// Reads one project's assembly. `folder` is the folder of the project's sources.
let read (folder: string) (assembly: string) =
    use image = new PEReader(File.OpenRead assembly)
    use symbols = MetadataReaderProvider.FromPortablePdbStream(File.OpenRead(Path.ChangeExtension(assembly, ".pdb")))
    let reader, pdb = image.GetMetadataReader(), symbols.GetMetadataReader()
    let types = Types()

    let path document =
        if MetadataTokens.GetRowNumber(DocumentHandle.op_Implicit document: EntityHandle) = 0 then None
        else
            let relative = Path.GetRelativePath(folder, pdb.GetString(pdb.GetDocument(document).Name)).Replace('\\', '/')
            if relative.StartsWith ".." || relative.StartsWith "obj/" then None else Some relative

    let rec outermost handle =
        let outer = reader.GetTypeDefinition(handle).GetDeclaringType()
        if outer.IsNil then handle else outermost outer

    let methodFile (handle: MethodDefinitionHandle) =
        let debug = pdb.GetMethodDebugInformation(handle.ToDebugInformationHandle())
        if not debug.Document.IsNil then path debug.Document
        else debug.GetSequencePoints() |> Seq.tryHead |> Option.bind (fun point -> path point.Document)

    let declaredFiles (handle: TypeDefinitionHandle) =
        [ for custom in pdb.GetCustomDebugInformation(TypeDefinitionHandle.op_Implicit handle: EntityHandle) do
              let information = pdb.GetCustomDebugInformation custom
              if pdb.GetGuid information.Kind = typeDocuments then
                  let mutable blob = pdb.GetBlobReader information.Value
                  while blob.RemainingBytes > 0 do
                      yield! path (MetadataTokens.DocumentHandle(blob.ReadCompressedInteger())) |> Option.toList ]

    let files =
        [ for handle in reader.TypeDefinitions do
              let definition = reader.GetTypeDefinition handle
              for file in declaredFiles handle @ (definition.GetMethods() |> Seq.choose methodFile |> List.ofSeq) do
                  outermost handle, file ]
        |> List.distinct
        |> List.groupBy fst
        |> List.map (fun (handle, pairs) -> handle, List.map snd pairs)
        |> dict

    let filesOf handle = match files.TryGetValue(outermost handle) with | true, found -> found | _ -> []

    let rec usedBy (entity: EntityHandle): TypeDefinitionHandle list =
        match entity.Kind with
        | HandleKind.TypeDefinition -> [ TypeDefinitionHandle.op_Explicit entity ]
        | HandleKind.TypeSpecification ->
            reader.GetTypeSpecification(TypeSpecificationHandle.op_Explicit entity).DecodeSignature(types, reader)
        | HandleKind.FieldDefinition ->
            let field = reader.GetFieldDefinition(FieldDefinitionHandle.op_Explicit entity)
            field.GetDeclaringType() :: field.DecodeSignature(types, reader)
        | HandleKind.MethodDefinition ->
            let definition = reader.GetMethodDefinition(MethodDefinitionHandle.op_Explicit entity)
            let signature = definition.DecodeSignature(types, reader)
            definition.GetDeclaringType() :: signature.ReturnType @ List.concat signature.ParameterTypes
        | HandleKind.MethodSpecification ->
            let specification = reader.GetMethodSpecification(MethodSpecificationHandle.op_Explicit entity)
            List.concat (specification.DecodeSignature(types, reader)) @ usedBy specification.Method
        | HandleKind.MemberReference ->
            usedBy (reader.GetMemberReference(MemberReferenceHandle.op_Explicit entity).Parent)
        | HandleKind.StandaloneSignature ->
            let signature = reader.GetStandaloneSignature(StandaloneSignatureHandle.op_Explicit entity)
            List.concat (signature.DecodeLocalSignature(types, reader))
        | _ -> []

    let attributes (handles: CustomAttributeHandleCollection) =
        [ for handle in handles do yield! usedBy (reader.GetCustomAttribute(handle).Constructor) ]

    let uses =
        [ for handle in reader.TypeDefinitions do
              let definition = reader.GetTypeDefinition handle
              let home = filesOf handle
              let ofType =
                  [ if not definition.BaseType.IsNil then yield! usedBy definition.BaseType
                    for implementation in definition.GetInterfaceImplementations() do
                        yield! usedBy (reader.GetInterfaceImplementation(implementation).Interface)
                    for parameter in definition.GetGenericParameters() do
                        for constrained in reader.GetGenericParameter(parameter).GetConstraints() do
                            yield! usedBy (reader.GetGenericParameterConstraint(constrained).Type)
                    for field in definition.GetFields() do yield! usedBy (FieldDefinitionHandle.op_Implicit field: EntityHandle)
                    yield! attributes (definition.GetCustomAttributes()) ]
              for file in home do
                  for used in ofType do file, used
              for method in definition.GetMethods() do
                  let implementation = reader.GetMethodDefinition method
                  let ofMethod =
                      [ yield! usedBy (MethodDefinitionHandle.op_Implicit method: EntityHandle)
                        yield! attributes (implementation.GetCustomAttributes())
                        if implementation.RelativeVirtualAddress <> 0 then
                            let body = image.GetMethodBody implementation.RelativeVirtualAddress
                            for token in tokens body do yield! usedBy token
                            if not body.LocalSignature.IsNil then
                                yield! usedBy (StandaloneSignatureHandle.op_Implicit body.LocalSignature: EntityHandle) ]
                  for file in (match methodFile method with Some file -> [ file ] | None -> home) do
                      for used in ofMethod do file, used ]

    let fullName handle =
        let definition = reader.GetTypeDefinition handle
        reader.GetString definition.Namespace + "." + reader.GetString definition.Name

    { PublicTypes =
        [ for handle in reader.TypeDefinitions do
              let visibility = reader.GetTypeDefinition(handle).Attributes &&& Reflection.TypeAttributes.VisibilityMask
              if visibility = Reflection.TypeAttributes.Public then fullName handle, filesOf handle ]
      Uses =
        [ for file, used in List.distinct uses do
              for target in filesOf used do
                  // A partial type of this very file is no use of another one.
                  if target <> file && not (List.contains file (filesOf used)) then
                      { From = file; To = target; Type = fullName (outermost used) } ]
        |> List.distinct }

/// The folder of a file within its project; the project's own folder is "".
let folderOf (file: string) = match file.LastIndexOf '/' with -1 -> "" | at -> file[.. at - 1]

/// Pairs of folders that reach each other, each with the uses that lead directly from the one to the other.
let cycles (graph: Graph) =
    let edges =
        graph.Uses
        |> List.filter (fun used -> folderOf used.From <> folderOf used.To)
        |> List.groupBy (fun used -> folderOf used.From, folderOf used.To)
    let next = edges |> List.map fst |> List.groupBy fst |> List.map (fun (from, pairs) -> from, List.map snd pairs) |> dict
    let reach folder =
        let seen = Collections.Generic.HashSet<string>()
        let rec visit at = match next.TryGetValue at with | true, found -> (for folder in found do if seen.Add folder then visit folder) | _ -> ()
        visit folder
        seen
    let reached = next.Keys |> Seq.map (fun folder -> folder, reach folder) |> dict
    edges |> List.filter (fun ((from, target), _) -> next.ContainsKey target && reached[target].Contains from)
