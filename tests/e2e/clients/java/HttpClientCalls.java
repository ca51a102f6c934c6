// SPDX-License-Identifier: Apache-2.0

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** java HttpClientCalls.java URL BODY_FILE EXCHANGE_ID TIMES: Java's own client on Java's own TLS, a connection for each call. */
public class HttpClientCalls {
    static SSLContext trust(Path ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var in = Files.newInputStream(ca)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }

    public static void main(String[] args) throws Exception {
        SSLContext context = trust(Path.of(System.getenv("SSL_CERT_FILE")));
        String want = System.getenv("LT_WANT") + "; pid=" + ProcessHandle.current().pid();
        HttpRequest request = HttpRequest.newBuilder(URI.create(args[0])).header("content-type", "application/json")
                .header("authorization", "Bearer " + System.getenv("LT_KEY")).header("x-lt-exchange", args[2])
                .header("x-lt-want", want).POST(HttpRequest.BodyPublishers.ofFile(Path.of(args[1]))).build();
        for (int i = 0; i < Integer.parseInt(args[3]); i++) {
            HttpClient client = HttpClient.newBuilder().sslContext(context).build();
            int status = client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
            if (status != 200) {
                System.err.println("status " + status);
                System.exit(1);
            }
        }
        System.exit(0); // the clients' threads would stay
    }
}
