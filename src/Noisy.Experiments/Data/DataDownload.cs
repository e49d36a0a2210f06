using System.Net;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Fetches one file into memory and accepts it only if it is whole. The only network code of the library.</summary>
internal static class DataDownload
{
    /// <summary>The checked bytes of a file.</summary>
    /// <exception cref="DataException">No answer, another answer than the file, or an answer with other bytes.</exception>
    public static byte[] Fetch(DataSource file, Uri address, DataCacheSettings settings, string remedy)
    {
        DataException Failed(string what, Exception? cause = null) =>
            new($"'{file.File}' could not be downloaded from {address}: {what}. {remedy}", cause);

        // Run away from any synchronisation context, so that waiting here cannot deadlock.
        var content = Task.Run(async () =>
        {
            try
            {
                return await Receive(file, address, settings).ConfigureAwait(false);
            }
            catch (Refused error)
            {
                throw Failed($"the server answers {(int)error.Status} ({error.Status})");
            }
            catch (OperationCanceledException error)
            {
                throw Failed(
                    $"no answer for {settings.StallTimeout.TotalSeconds:0.###} s, or none complete after " +
                    $"{settings.TotalTimeout.TotalSeconds:0.###} s", error);
            }
            catch (Exception error) when (error is HttpRequestException or IOException)
            {
                throw Failed(error.Message.TrimEnd('.'), error);
            }
        }).GetAwaiter().GetResult();

        if (content.Length != file.Bytes)
        {
            var found = content.Length > file.Bytes ? "more" : $"only {content.Length:N0}";
            throw Failed($"{file.Bytes:N0} bytes expected, {found} received");
        }

        var found256 = DataFile.Sha256(content);
        return found256 == file.Sha256
            ? content
            : throw Failed($"the bytes received are other ones (SHA-256 {found256}, expected {file.Sha256})");
    }

    /// <summary>What the server sends, cut one byte after the expected length.</summary>
    private static async Task<byte[]> Receive(DataSource file, Uri address, DataCacheSettings settings)
    {
        using var patience = new CancellationTokenSource(settings.TotalTimeout);
        using var handler = new SocketsHttpHandler { ConnectTimeout = settings.ConnectTimeout };
        using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };

        using var stall = CancellationTokenSource.CreateLinkedTokenSource(patience.Token);
        stall.CancelAfter(settings.ConnectTimeout + settings.StallTimeout);
        using var answer = await client
            .GetAsync(address, HttpCompletionOption.ResponseHeadersRead, stall.Token).ConfigureAwait(false);
        if (answer.StatusCode != HttpStatusCode.OK)
        {
            throw new Refused(answer.StatusCode);
        }

        await using var body = await answer.Content.ReadAsStreamAsync(stall.Token).ConfigureAwait(false);
        var content = new byte[file.Bytes + 1];
        var length = 0;
        while (length < content.Length)
        {
            stall.CancelAfter(settings.StallTimeout);
            var read = await body.ReadAsync(content.AsMemory(length), stall.Token).ConfigureAwait(false);
            if (read == 0)
            {
                break;
            }

            length += read;
        }

        return content[..length];
    }

    private sealed class Refused(HttpStatusCode status) : Exception
    {
        public HttpStatusCode Status { get; } = status;
    }
}
