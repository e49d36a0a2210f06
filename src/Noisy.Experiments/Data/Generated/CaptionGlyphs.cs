using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The shapes of <see cref="CaptionWorld"/> as pixels.</summary>
internal static class CaptionGlyphs
{
    /// <summary>Pixels of a shape by rows, '#' where it is: the large form has 8 x 8, the small one 5 x 5.</summary>
    internal static string[] Rows(CaptionForm form, bool large) => (form, large) switch
    {
        (CaptionForm.Circle, true) => ["..####..", ".######.", "########", "########", "########", "########", ".######.", "..####.."],
        (CaptionForm.Circle, false) => [".###.", "#####", "#####", "#####", ".###."],
        (CaptionForm.Square, true) => ["########", "########", "########", "########", "########", "########", "########", "########"],
        (CaptionForm.Square, false) => ["#####", "#####", "#####", "#####", "#####"],
        (CaptionForm.Triangle, true) => ["...##...", "...##...", "..####..", "..####..", ".######.", ".######.", "########", "########"],
        (CaptionForm.Triangle, false) => ["..#..", "..#..", ".###.", ".###.", "#####"],
        (CaptionForm.Cross, true) => ["...##...", "...##...", "...##...", "########", "########", "...##...", "...##...", "...##..."],
        (CaptionForm.Cross, false) => ["..#..", "..#..", "#####", "..#..", "..#.."],
        (_, true) => ["..####..", ".######.", "##....##", "##....##", "##....##", "##....##", ".######.", "..####.."],
        _ => [".###.", "#...#", "#...#", "#...#", ".###."],
    };

    /// <summary>Red, green and blue of a colour.</summary>
    internal static (byte Red, byte Green, byte Blue) Rgb(CaptionColour colour) => colour switch
    {
        CaptionColour.Red => (220, 40, 40),
        CaptionColour.Green => (40, 180, 60),
        CaptionColour.Blue => (50, 80, 220),
        CaptionColour.Yellow => (230, 210, 50),
        CaptionColour.Purple => (160, 50, 180),
        _ => (235, 235, 235),
    };
}
