// Which of several servers Java trusts, for each way to give it roots. In: ports with commas, then WAY=FILE each, WAY `factory`
// (CertificateFactory.generateCertificates), `store` (as javax.net.ssl.trustStore) or `system` (the default). Out: a line for each WAY=FILE: 1 (trusted) or 0 for each port.

import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class Trust {
    public static void main(String[] arguments) throws Exception {
        String[] ports = arguments[0].split(",");
        for (int index = 1; index < arguments.length; index++) {
            int at = arguments[index].indexOf('=');
            String file = arguments[index].substring(at + 1);
            SSLContext context = null;
            try {
                if (arguments[index].startsWith("system")) {
                    context = SSLContext.getDefault();
                } else {
                    context = context(arguments[index].startsWith("factory") ? factory(file) : store(file));
                }
            } catch (Exception unreadable) {
                System.err.println(file + ": " + unreadable);
            }
            StringBuilder line = new StringBuilder();
            for (String port : ports) {
                line.append(context != null && trusts(context, Integer.parseInt(port)) ? '1' : '0');
            }
            System.out.println(line);
        }
    }

    static KeyStore factory(String file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = new BufferedInputStream(new FileInputStream(file))) {
            int count = 0;
            for (Certificate found : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                store.setCertificateEntry("c" + count++, found);
            }
        }
        return store;
    }

    static KeyStore store(String file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        try (InputStream in = new FileInputStream(file)) {
            store.load(in, null);
        }
        return store;
    }

    static SSLContext context(KeyStore store) throws Exception {
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }

    static boolean trusts(SSLContext context, int port) throws Exception {
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", port)) {
            socket.startHandshake();
            return true;
        } catch (SSLHandshakeException refused) {
            return false;
        } catch (javax.net.ssl.SSLException refused) {
            if (String.valueOf(refused.getMessage()).contains("trustAnchors")) {
                return false; // An empty store.
            }
            throw refused;
        }
    }
}
