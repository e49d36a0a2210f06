// Drawn scenes with captions, to try the way from pictures to captions (docs/captions.md) without any data of one's own.
//
//     dotnet fsi examples/scenes.fsx -- FOLDER [COUNT]         COUNT pictures (default: 600) in FOLDER/pictures, and FOLDER/captions.txt
#if !NOISY_BUILT && !EDITING
#load "../scripts/bootstrap.fsx"
#else
#load "../scripts/refs.fsx"
#load "../scripts/packages.g.fsx"

open System
open System.IO
open SkiaSharp

let side = 240f
let colours = [ "red", "#D62728"; "blue", "#1F5FBF"; "yellow", "#F2C418"; "white", "#F4F4F0" ]
let times = [ "by day", "#9CD3F5", "#7CB860"; "at night", "#1B2440", "#2F4A33"; "at sunset", "#F7A35C", "#8A9A4B" ]

let paint (colour: string) = new SKPaint(Color = SKColor.Parse colour, IsAntialias = true)

let polygon (canvas: SKCanvas) colour (corners: (float32 * float32) list) =
    use path = new SKPath()
    path.AddPoly [| for x, y in corners -> SKPoint(x, y) |]
    canvas.DrawPath(path, paint colour)

/// Things by their names: each stands on the point (x, y), about 2 s wide and high.
let things: (string * (SKCanvas -> string -> float32 -> float32 -> float32 -> unit)) list =
    [ "house", (fun canvas colour x y s ->
          canvas.DrawRect(x - 0.8f * s, y - 1.2f * s, 1.6f * s, 1.2f * s, paint colour)
          polygon canvas "#5B3A29" [ x - s, y - 1.2f * s; x, y - 2f * s; x + s, y - 1.2f * s ]
          canvas.DrawRect(x - 0.2f * s, y - 0.7f * s, 0.4f * s, 0.7f * s, paint "#3A2A20"))
      "car", (fun canvas colour x y s ->
          canvas.DrawRoundRect(x - s, y - 0.8f * s, 2f * s, 0.6f * s, 6f, 6f, paint colour)
          canvas.DrawRoundRect(x - 0.55f * s, y - 1.3f * s, 1.1f * s, 0.7f * s, 8f, 8f, paint colour)
          for wheel in [ -0.55f; 0.55f ] do canvas.DrawCircle(x + wheel * s, y - 0.2f * s, 0.26f * s, paint "#202020"))
      "ball", (fun canvas colour x y s ->
          canvas.DrawCircle(x, y - 0.75f * s, 0.75f * s, paint colour)
          use line = new SKPaint(Color = SKColors.Black, IsStroke = true, StrokeWidth = 2f, IsAntialias = true)
          canvas.DrawOval(x, y - 0.75f * s, 0.3f * s, 0.75f * s, line))
      "flower", (fun canvas colour x y s ->
          canvas.DrawRect(x - 3f, y - 1.2f * s, 6f, 1.2f * s, paint "#2C7A2C")
          for petal in 0..5 do
              let angle = float32 petal * MathF.PI / 3f
              canvas.DrawCircle(x + 0.4f * s * cos angle, y - 1.4f * s + 0.4f * s * sin angle, 0.3f * s, paint colour)
          canvas.DrawCircle(x, y - 1.4f * s, 0.22f * s, paint "#7A4A10")) ]

let draw (random: Random) (path: string) =
    let choose (list: 'a list) = list[random.Next list.Length]
    let time, sky, ground = choose times
    let all = List.allPairs (List.indexed things) (List.indexed things)
    let (_, (first, drawFirst)), (_, (second, drawSecond)) = all |> List.filter (fun ((a, _), (b, _)) -> a < b) |> choose
    let (firstColour, firstHex), (secondColour, secondHex) = choose colours, choose colours
    use surface = SKSurface.Create(SKImageInfo(int side, int side))
    let canvas = surface.Canvas
    let horizon = side * (0.5f + 0.15f * random.NextSingle())
    canvas.Clear(SKColor.Parse sky)
    canvas.DrawRect(0f, horizon, side, side - horizon, paint ground)
    canvas.DrawCircle(side * random.NextSingle(), 36f, 18f, paint (if time = "at night" then "#E8E8F0" else "#FFE066"))

    let standing draw colour x =
        let ground = horizon + (side - horizon) * (0.4f + 0.5f * random.NextSingle())
        draw canvas colour (x + 24f * (random.NextSingle() - 0.5f)) ground (34f + 12f * random.NextSingle())

    let left, right = if random.Next 2 = 0 then 62f, 178f else 178f, 62f
    standing drawFirst firstHex left
    standing drawSecond secondHex right
    use image = surface.Snapshot()
    use png = image.Encode(SKEncodedImageFormat.Png, 100)
    use file = File.Create path
    png.SaveTo file
    let scene = $"a {firstColour} {first} and a {secondColour} {second}"
    [ $"{scene} {time}"; $"{time} there are {scene}"; $"{scene}, seen {time}" ]

match List.ofArray (Array.tail fsi.CommandLineArgs) with
| folder :: rest ->
    let count =
        match rest |> List.map Int32.TryParse with
        | [] -> 600
        | (true, count) :: _ when count > 0 -> count
        | _ ->
            eprintfn "The number of pictures is '%s': it must be a whole number above 0" rest.Head
            exit 2

    Directory.CreateDirectory(Path.Combine(folder, "pictures")) |> ignore
    let random = Random count // the same scenes each time, but others for another number

    let lines =
        [ for i in 1..count do
              let name = $"scene-%04d{i}.png"
              for caption in draw random (Path.Combine(folder, "pictures", name)) do $"{name},\"{caption}\"" ]

    File.WriteAllLines(Path.Combine(folder, "captions.txt"), "image,caption" :: lines)
    printfn "%d pictures and their captions are in %s" count folder
| [] ->
    eprintfn "Name the folder to write to: dotnet fsi examples/scenes.fsx -- FOLDER [COUNT]"
    exit 2
#endif
