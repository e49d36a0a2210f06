/// Reference values of the paper's activations: derived from the paper's formulas in independent double-precision code,
/// checked there by central differences and by 400,000 draws a row (the released NANIL by midpoint sums of 200,000 nodes).
module Noisy.Tests.PaperTables

open System
open System.Globalization

let private rows (text: string) =
    text.Split('\n', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)
    |> Array.map (fun line -> line.Split('|', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries))
    |> Array.toList

let number (text: string) = Double.Parse(text, CultureInfo.InvariantCulture)

/// f, x, p, alpha, c, eps; Delta, sigma, dsigma/dx, dsigma/dp, phi, dphi/dx, dphi/dp; normal mean and variance; half-normal ones.
let output =
    rows """
tanh | 0.5 | 1 | 1.15 | 0.5 | 1.2 | 0 | 0 | 0 | 0 | 0.5 | 1 | 0 | 0.5 | 0 | 0.5 | 0
tanh | 2 | 1 | 1.15 | 0.5 | 1.2 | -1 | 0.02669403 | 0.04542887 | 0.04542887 | 0.88203284 | -0.09548535 | 0.05451465 | 0.85 | 7.12571418e-4 | 0.87129876 | 2.58934364e-4
tanh | -2 | 1 | 1.15 | 0.5 | 1.2 | 1 | 0.02669403 | -0.04542887 | 0.04542887 | -0.88203284 | -0.09548535 | -0.05451465 | -0.85 | 7.12571418e-4 | -0.87129876 | 2.58934364e-4
tanh | 3 | -0.7 | 0.9 | 0.5 | 0.8 | -2 | 0.04565755 | 0.03356641 | -0.09590404 | 1.16347396 | 0.07314687 | 0.07672323 | 1.2 | 2.08461199e-3 | 1.16357054 | 7.57506778e-4
tanh | 4 | 1 | 1 | 0.5 | 1.5 | -3 | 0.10241167 | 0.02044579 | 0.06133736 | 0.84638249 | -0.03066868 | -0.09200604 | 1 | 1.04881502e-2 | 0.91828731 | 3.81118640e-3
hsig | 1 | 1 | 1.1 | 0.15 | 1.2 | 0 | 0 | 0 | 0 | 0.75 | 0.25 | 0 | 0.75 | 0 | 0.75 | 0
hsig | 4 | 1 | 1.1 | 0.15 | 1.2 | -0.5 | 0.00224944 | 0.00215838 | 0.00431676 | 0.95269933 | -0.02240994 | 0.00518011 | 0.95 | 5.05999457e-6 | 0.95179480 | 1.83870198e-6
hsig | -6 | 2 | 1.1 | 0.5 | 0.8 | 1 | 0.07250321 | -0.01999063 | 0.03998125 | 0.04199743 | -0.00900750 | -0.03198500 | 0.1 | 5.25671507e-3 | 0.04215081 | 1.91018632e-3
hsig | 6 | -1.5 | 0.9 | 30 | 1.0 | -1 | 3.02560644 | 1.06571489 | -2.84190638 | -1.92560644 | -1.04071489 | 2.84190638 | 1.1 | 9.15429432 | -1.31408466 | 3.32648955"""

/// f, x, sigma; h, mean, variance, dE/dx, dE/dsigma.
let fixedInput =
    rows """
tanh | 0 | 0.5 | 0 | 0 | 0.230134231 | 0.95449974 | 0
tanh | 1 | 0.05 | 1 | 0.98005289 | 8.52112642e-4 | 0.5 | -0.39894228
tanh | 1 | 0.25 | 1 | 0.90026443 | 2.13028161e-2 | 0.5 | -0.39894228
tanh | 1.5 | 0.5 | 1 | 0.95834229 | 1.70994694e-2 | 0.15865497 | -0.24196924
tanh | -3 | 1 | -1 | -0.99151644 | 5.66508473e-3 | 0.02271846 | 0.05385714
hsig | 0 | 0.25 | 0.5 | 0.5 | 3.90625e-3 | 0.25 | 0
hsig | 2 | 0.25 | 1 | 0.97506611 | 1.33142600e-3 | 0.125 | -0.09973557
hsig | 3 | 0.5 | 1 | 0.99893866 | 8.90099169e-5 | 0.00568753 | -0.01349774
hsig | -2.5 | 1 | 0 | 0.04944897 | 1.06568893e-2 | 0.07713354 | 0.08801234"""

/// f, x, p, c; sigma, mean, dE/dx, dE/dp.
let gapInput =
    rows """
tanh | 1.6 | 1 | 30 | 0.63647279 | 0.94093079 | -0.33841135 | -0.30678460
tanh | -2.7 | 1 | 30 | 3.58182759 | -0.54320809 | -0.16485339 | 0.56368471
tanh | 5 | -1 | 30 | 6.97011881 | 0.52532632 | 0.05620045 | 0.12862134
hsig | 5 | 1 | 30 | 0.96315019 | 0.99993901 | -0.00022672 | -0.00137046
hsig | -10 | 1 | 30 | 4.35019244 | 0.01311449 | -0.00218072 | 0.07755433"""

/// f, x, p, c; x + w at xi = 0.8, h of it, mean, standard deviation of w.
let ratioInput =
    rows """
tanh | 0.5 | 1 | 0.25 | 0.63862944 | 0.63862944 | 0.49990130 | 0.17328680
tanh | 2 | 1 | 0.25 | 2.30038582 | 1 | 0.99999999 | 0.32501698
tanh | -3 | 0.5 | 0.25 | -2.69961418 | -1 | -1.00000000 | 0.32501698
tanh | 2 | -1 | 0.25 | 2.05038582 | 1 | 1.00000000 | 0.10262058
hsig | 4 | 1 | 0.25 | 4.21074014 | 1 | 1.00000000 | 0.23725822
hsig | -6 | 1 | 0.5 | -5.39922837 | 0 | 0.00000000 | 0.65003395"""

/// f, x, p, alpha, c; m, sigma, clipped mean under normal and under half-normal noise.
let clipped =
    rows """
tanh | 3 | 1 | 1.15 | 0.5 | 0.7 | 0.07250321 | 0.69999972 | 0.75784863
tanh | 3 | 1 | 0.9 | 0.5 | 1.2 | 0.07250321 | 0.99993662 | 0.99987323
tanh | -3 | 1 | 1.15 | 30 | -0.7 | 4.35019244 | -0.12673015 | -0.99174966
hsig | 6 | 1 | 1.1 | 30 | 0.9 | 1.60164200 | 0.59706080 | 0.99750998"""

/// f, x, sigma with its sign; mean of h(x + sigma |xi|).
let halfNormalInput =
    rows """
tanh | 1.5 | 0.5 | 1.0
tanh | 1.5 | -0.5 | 0.91668458
hsig | 3 | -1 | 0.95834229
hsig | 0 | 0.5 | 0.59973378"""

/// x; sigma, half-normal mean, normal mean of the p-free hard-tanh with alpha 1.05 and c 0.5.
let excess =
    rows """
1.5 | 0.00193295863 | 0.97654228 | 0.975
-3 | 0.11616864689 | -0.99268917 | -0.9"""
