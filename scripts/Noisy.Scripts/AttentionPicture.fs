/// A described picture: for each word of its caption, what the model attended to.
module internal Noisy.Scripts.AttentionPicture

open System
open System.IO
open Noisy.Experiments
open Noisy.FSharp
open SkiaSharp

let private side, private gap, private line, private columns = 168f, 12f, 26f, 6

// Grey, by the weights of Rec. 601.
let private grey =
    let row = [| 0.299f; 0.587f; 0.114f; 0f; 0f |]
    Array.concat [ row; row; row; [| 0f; 0f; 0f; 1f; 0f |] ]

/// Writes a PNG: the square of the picture that the model saw, with its caption, then that square in grey under the heat of each word.
///
/// places: rows and columns of a map.
let save (path: string) (picture: SKBitmap) (rows: int, columnsOfMap: int) (words: string[]) (attention: float32[][]) =
    let perLine = min columns (words.Length + 1)
    let lines = (words.Length + 1 + columns - 1) / columns
    let width = max 480f (gap + float32 perLine * (side + gap))
    let info = SKImageInfo(int width, int (2f * gap + line + float32 lines * (side + line + gap)))
    use surface = SKSurface.Create info
    let canvas = surface.Canvas
    canvas.Clear SKColors.White
    use face = match Plots.font.Value with Some name -> SKTypeface.FromFamilyName name | None -> SKTypeface.CreateDefault()
    use ink = new SKPaint(Color = SKColors.Black, IsAntialias = true)

    /// Text that is made smaller where it is wider than there is room.
    let write (text: string) size (x: float32) (y: float32) room align =
        use font = new SKFont(face, size)
        let taken = font.MeasureText text
        if taken > room then font.Size <- size * room / taken
        canvas.DrawText(text, x, y, align, font, ink)

    use image = SKImage.FromBitmap picture
    use plain = new SKPaint()
    use greyed = new SKPaint(ColorFilter = SKColorFilter.CreateColorMatrix grey)
    let place i = gap + float32 (i % columns) * (side + gap), 2f * gap + line + float32 (i / columns) * (side + line + gap)
    let sampling = SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear)
    let show i paint = let x, y = place i in canvas.DrawImage(image, SKRect.Create(x, y, side, side), sampling, paint)
    write (String.Join(" ", words)) 18f gap (gap + 18f) (width - 2f * gap) SKTextAlign.Left
    show 0 plain

    for i in 0 .. words.Length - 1 do
        let x, y = place (i + 1)
        show (i + 1) greyed
        let top = Array.max attention[i]
        use heat = new SKPaint()

        for p in 0 .. attention[i].Length - 1 do
            let share = float (attention[i][p] / top)
            let struct (r, g, b) = Heat.colour share
            heat.Color <- SKColor(r, g, b, byte (255.0 * Heat.opacity share))
            let w, h = side / float32 columnsOfMap, side / float32 rows
            canvas.DrawRect(x + w * float32 (p % columnsOfMap), y + h * float32 (p / columnsOfMap), w, h, heat)

        write words[i] 15f (x + side / 2f) (y + side + 18f) side SKTextAlign.Center

    use snapshot = surface.Snapshot()
    use png = snapshot.Encode(SKEncodedImageFormat.Png, 100)
    Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
    AtomicFile.Write(path, (fun (stream: Stream) -> png.SaveTo stream))
