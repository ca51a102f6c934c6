// SPDX-License-Identifier: Apache-2.0
// Calls by Java's own HTTP client over Java's own TLS, which nobody reads: java Call.java URL EXCHANGE MODE COUNT
//   new    a client, and so a connection, for every call
//   kept   all calls one after the other on one connection
//   open   one call, then the connection stays open until stdin ends
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Call {
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

	static HttpClient client(SSLContext context) {
		return HttpClient.newBuilder().sslContext(context).version(HttpClient.Version.HTTP_1_1).build();
	}

	static void call(HttpClient client, String url, String exchange) throws Exception {
		String want = System.getenv("LT_WANT") + "; pid=" + ProcessHandle.current().pid();
		HttpRequest request = HttpRequest.newBuilder(URI.create(url))
			.header("content-type", "application/json")
			.header("authorization", "Bearer " + System.getenv("LT_KEY"))
			.header("x-lt-exchange", exchange)
			.header("x-lt-want", want)
			.POST(HttpRequest.BodyPublishers.ofString("{\"model\":\"gpt-4o-mini\",\"messages\":[]}"))
			.build();
		HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
		if (response.statusCode() != 200)
			throw new Exception("status " + response.statusCode());
	}

	public static void main(String[] args) throws Exception {
		SSLContext context = trusting(System.getenv("SSL_CERT_FILE"));
		HttpClient kept = client(context);
		for (int i = 0; i < Integer.parseInt(args[3]); i++)
			call(args[2].equals("new") ? client(context) : kept, args[0], args[1]);
		if (args[2].equals("open")) {
			System.out.println("open");
			while (System.in.read() >= 0) {
			}
		}
	}
}
