/// Pictures as a network sees them: upright, the square in their middle, at its size.
module internal Noisy.Scripts.Photo

open System
open System.IO
open Noisy.Experiments
open SkiaSharp

/// Endings of the names of files that are taken for pictures.
let extensions = [ ".jpg"; ".jpeg"; ".png"; ".webp"; ".bmp"; ".gif" ]

// More than any camera's, and what fits into memory a few times.
let private mostPixels = 400_000_000L

/// How a picture of a width and height is turned upright, as its camera noted (EXIF), and whether that exchanges the two.
let private upright (origin: SKEncodedOrigin) (w: float32) (h: float32) =
    let matrix (a, b, c, d, e, f) = SKMatrix(a, b, c, d, e, f, 0f, 0f, 1f)

    match origin with
    | SKEncodedOrigin.TopRight -> matrix (-1f, 0f, w, 0f, 1f, 0f), false
    | SKEncodedOrigin.BottomRight -> matrix (-1f, 0f, w, 0f, -1f, h), false
    | SKEncodedOrigin.BottomLeft -> matrix (1f, 0f, 0f, 0f, -1f, h), false
    | SKEncodedOrigin.LeftTop -> matrix (0f, 1f, 0f, 1f, 0f, 0f), true
    | SKEncodedOrigin.RightTop -> matrix (0f, -1f, h, 1f, 0f, 0f), true
    | SKEncodedOrigin.RightBottom -> matrix (0f, -1f, h, -1f, 0f, w), true
    | SKEncodedOrigin.LeftBottom -> matrix (0f, 1f, 0f, -1f, 0f, w), true
    | _ -> SKMatrix.Identity, false

/// The square in the middle of a picture file, with as many rows and columns of pixels; the caller disposes it. Transparent places are white.
///
/// Raises DataException for what is no whole picture.
let square (path: string) (size: int) =
    let bad what = raise (DataException $"'{path}' {what}: take it away or replace it.")
    let content = DataFile.Read(path, "Make it readable, or take it away.")
    use data = SKData.CreateCopy content
    use codec = SKCodec.Create data
    if isNull codec then bad $"""is no picture that can be read ({String.Join(", ", extensions)})"""
    let w, h = codec.Info.Width, codec.Info.Height
    if w < 1 || h < 1 || int64 w * int64 h > mostPixels then bad $"has {w} x {h} pixels, too many to be read"
    use srgb = SKColorSpace.CreateSrgb()
    use decoded = new SKBitmap(SKImageInfo(w, h, SKColorType.Rgba8888, SKAlphaType.Premul, srgb))
    if codec.GetPixels(decoded.Info, decoded.GetPixels()) <> SKCodecResult.Success then bad "is damaged or cut short"

    let result = new SKBitmap(SKImageInfo(size, size, SKColorType.Rgba8888, SKAlphaType.Opaque, srgb))
    use canvas = new SKCanvas(result)
    use image = SKImage.FromBitmap decoded
    let turned, exchanged = upright codec.EncodedOrigin (float32 w) (float32 h)
    let width, height = if exchanged then float32 h, float32 w else float32 w, float32 h
    let scale = float32 size / min width height
    canvas.Clear SKColors.White
    canvas.Translate((float32 size - scale * width) / 2f, (float32 size - scale * height) / 2f)
    canvas.Scale scale
    let mutable turned = turned
    canvas.Concat &turned
    canvas.DrawImage(image, 0f, 0f, SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear))
    canvas.Flush()
    result

/// The numbers [3, size, size] that a network takes.
let numbers (recipe: FeatureRecipe) (picture: SKBitmap) =
    let bytes = picture.GetPixelSpan()
    let pixels = recipe.Size * recipe.Size
    let result = Array.zeroCreate<float32> (3 * pixels)

    for c in 0..2 do
        let from = if recipe.Order = "bgr" then 2 - c else c

        for i in 0 .. pixels - 1 do
            result[c * pixels + i] <- (float32 bytes[4 * i + from] / 255f - recipe.Mean[c]) / recipe.Deviation[c]

    result
