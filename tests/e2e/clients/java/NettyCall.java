// SPDX-License-Identifier: Apache-2.0
/*
 * Netty's HTTP client on netty-tcnative (BoringSSL, which it unpacks, loads and deletes).
 *
 * usage: NettyCall HOST PATH EXCHANGE MODEL TIMES PAD    calls on one connection; PAD: bytes added to the body
 */
import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public final class NettyCall {
	/* The end of each answer: its status, or 0 for an error. */
	private static final LinkedBlockingQueue<Integer> ENDS = new LinkedBlockingQueue<>();

	private static final class Answers extends SimpleChannelInboundHandler<HttpObject> {
		private int status;

		@Override
		protected void channelRead0(ChannelHandlerContext context, HttpObject part) {
			if (part instanceof HttpResponse) {
				status = ((HttpResponse) part).status().code();
			}
			if (part instanceof LastHttpContent) {
				ENDS.add(status);
			}
		}

		@Override
		public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
			cause.printStackTrace();
			ENDS.add(0);
		}
	}

	private static DefaultFullHttpRequest request(String[] args) {
		String body = "{\"model\":\"" + args[3] + "\"" + " ".repeat(Integer.parseInt(args[5])) + "}";
		DefaultFullHttpRequest request = new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.POST, args[1],
				Unpooled.copiedBuffer(body, StandardCharsets.UTF_8));
		request.headers().set("host", args[0]).set("content-type", "application/json")
				.set("content-length", body.length()).set("x-lt-exchange", args[2])
				.set("x-lt-want", System.getenv("LT_WANT") + "; pid=" + ProcessHandle.current().pid());
		return request;
	}

	public static void main(String[] args) throws Exception {
		SslContext tls = SslContextBuilder.forClient().sslProvider(SslProvider.OPENSSL)
				.trustManager(new File(System.getenv("SSL_CERT_FILE"))).build();
		MultiThreadIoEventLoopGroup group = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
		Bootstrap bootstrap = new Bootstrap().group(group).channel(NioSocketChannel.class)
				.handler(new ChannelInitializer<SocketChannel>() {
					@Override
					protected void initChannel(SocketChannel channel) {
						channel.pipeline().addLast(tls.newHandler(channel.alloc(), args[0], 443),
								new HttpClientCodec(), new Answers());
					}
				});
		Channel channel = bootstrap.connect(args[0], 443).sync().channel();
		for (int i = 0; i < Integer.parseInt(args[4]); i++) {
			channel.writeAndFlush(request(args));
			Integer status = ENDS.poll(60, TimeUnit.SECONDS);
			if (status == null || status != 200) {
				System.err.println("no answer, or one that failed: " + status);
				System.exit(1);
			}
		}
		channel.close().sync();
		group.shutdownGracefully(0, 1, TimeUnit.SECONDS).sync();
	}
}
