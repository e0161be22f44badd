// Java's HttpClient. In: a URL, HTTPS_PROXY (which Java itself does not read). Out: the status; 1 when it is not reached.
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

public class Reach {
    public static void main(String[] arguments) throws Exception {
        HttpClient.Builder builder = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(30));
        String named = System.getenv("HTTPS_PROXY");
        if (named != null) {
            URI proxy = URI.create(named);
            builder.proxy(ProxySelector.of(new InetSocketAddress(proxy.getHost(), proxy.getPort())));
        }
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0])).timeout(Duration.ofSeconds(30)).build();
        System.out.println(builder.build().send(request, BodyHandlers.ofString()).statusCode());
    }
}
