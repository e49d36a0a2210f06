// Draws docs/icon.png, the packages' icon: hard tanh, and draws of its noisy counterpart NAH.
//     dotnet fsi docs/icon.fsx
#r "nuget: SkiaSharp, 3.119.4"
#r "nuget: SkiaSharp.NativeAssets.Linux.NoDependencies, 3.119.4"
#r "../src/Noisy.Core/bin/Release/net10.0/Noisy.Core.dll"

open System
open System.IO
open Noisy.Core
open SkiaSharp

let size, span = 128, 3.2f
let place (x: float32) (y: float32) = SKPoint(float32 size * (0.5f + x / span / 2.0f), float32 size * (0.5f - y / 3.0f))
let pen colour width = new SKPaint(Color = SKColor.Parse colour, StrokeWidth = width, IsAntialias = true, Style = SKPaintStyle.Stroke, StrokeCap = SKStrokeCap.Round, StrokeJoin = SKStrokeJoin.Round)

let surface = SKSurface.Create(SKImageInfo(size, size, SKColorType.Rgba8888, SKAlphaType.Premul))
let canvas = surface.Canvas
canvas.Clear SKColors.Transparent
canvas.DrawRoundRect(SKRect(0f, 0f, float32 size, float32 size), 20f, 20f, new SKPaint(Color = SKColor.Parse "#16324f", IsAntialias = true))

let spec = Variants.Nah.Tanh.WithC(4.0)
let noise = Array.zeroCreate<float32> 150
NoiseSampler.Normal(NoiseKey.FromSeed(5L).At(0L, 0), 0L, noise.AsSpan())
let dot = new SKPaint(Color = SKColor.Parse("#ffb454").WithAlpha 210uy, IsAntialias = true)

for i, xi in Seq.indexed noise do
    let x = -2.85f + 5.7f * float32 i / float32 (noise.Length - 1)
    let y = float32 (NoisyFunction.Value(spec, float x, float xi, 1.0, spec.C))
    if abs y < 1.4f then canvas.DrawCircle(place x y, 2.3f, dot)

let curve = new SKPath()
curve.MoveTo(place -2.85f -1f)
for x, y in [ -1f, -1f; 1f, 1f; 2.85f, 1f ] do curve.LineTo(place x y)
canvas.DrawPath(curve, pen "#ffffff" 5f)

let file = File.Create(Path.Combine(__SOURCE_DIRECTORY__, "icon.png"))
surface.Snapshot().Encode(SKEncodedImageFormat.Png, 100).SaveTo file
file.Dispose()
