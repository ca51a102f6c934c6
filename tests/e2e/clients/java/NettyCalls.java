// SPDX-License-Identifier: Apache-2.0

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.File;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** NettyCalls URL BODY_FILE EXCHANGE_ID TIMES: Netty on its BoringSSL (tcnative), all calls on one connection. */
public class NettyCalls {
    static class Answers extends SimpleChannelInboundHandler<FullHttpResponse> {
        final LinkedBlockingQueue<Integer> statuses = new LinkedBlockingQueue<>();

        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpResponse answer) {
            statuses.add(answer.status().code());
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            cause.printStackTrace();
            statuses.add(0);
        }
    }

    public static void main(String[] args) throws Exception {
        URI url = URI.create(args[0]);
        byte[] body = Files.readAllBytes(Path.of(args[1]));
        SslContext tls = SslContextBuilder.forClient().sslProvider(SslProvider.OPENSSL)
                .trustManager(new File(System.getenv("SSL_CERT_FILE"))).build();
        var group = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
        Answers answers = new Answers();
        var channel = new Bootstrap().group(group).channel(NioSocketChannel.class)
                .handler(new ChannelInitializer<SocketChannel>() {
                    @Override
                    protected void initChannel(SocketChannel made) {
                        made.pipeline().addLast(tls.newHandler(made.alloc(), url.getHost(), 443), new HttpClientCodec(),
                                new HttpObjectAggregator(1 << 24), answers);
                    }
                }).connect(url.getHost(), 443).sync().channel();
        for (int i = 0; i < Integer.parseInt(args[3]); i++) {
            var request = new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.POST, url.getPath(),
                    Unpooled.wrappedBuffer(body));
            request.headers().set("host", url.getHost()).set("content-type", "application/json")
                    .set("authorization", "Bearer " + System.getenv("LT_KEY")).set("content-length", body.length)
                    .set("x-lt-exchange", args[2])
                    .set("x-lt-want", System.getenv("LT_WANT") + "; pid=" + ProcessHandle.current().pid());
            channel.writeAndFlush(request);
            Integer status = answers.statuses.poll(30, TimeUnit.SECONDS);
            if (status == null || status != 200) {
                System.err.println("status " + status);
                System.exit(1);
            }
        }
        channel.close().sync();
        System.exit(0);
    }
}
