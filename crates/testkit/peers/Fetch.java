// Java's HttpClient over HTTP/2. In: SIDE_URL, SIDE_CA and SIDE_PROXY (else the usual ones). Out: the bodies on standard output, the protocol on standard error.

import java.io.FileInputStream;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Fetch {
    public static void main(String[] arguments) throws Exception {
        HttpClient.Builder builder = HttpClient.newBuilder();
        String trusted = System.getenv("SIDE_CA");
        if (trusted != null) {
            builder.sslContext(trusting(trusted));
        }
        String proxy = System.getenv("SIDE_PROXY");
        if (proxy != null) {
            int colon = proxy.lastIndexOf(':');
            int port = Integer.parseInt(proxy.substring(colon + 1));
            builder.proxy(ProxySelector.of(new InetSocketAddress(proxy.substring(0, colon), port)));
        }
        HttpClient client = builder.build();
        URI base = URI.create(System.getenv("SIDE_URL"));
        byte[] large = send(client, HttpRequest.newBuilder(base.resolve("/bytes/1200007")).build());
        HttpRequest.BodyPublisher body = HttpRequest.BodyPublishers.ofByteArray(large);
        send(client, HttpRequest.newBuilder(base.resolve("/hash")).POST(body).build());
    }

    static byte[] send(HttpClient client, HttpRequest request) throws Exception {
        HttpResponse<byte[]> answer = client.send(request, BodyHandlers.ofByteArray());
        if (answer.statusCode() != 200) {
            throw new IllegalStateException("status " + answer.statusCode());
        }
        System.err.println(answer.version());
        System.out.write(answer.body());
        System.out.flush();
        return answer.body();
    }

    static SSLContext trusting(String file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream in = new FileInputStream(file)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
