"""The autoencoder of latent diffusion (Rombach et al., arXiv 2112.10752), written from the paper's
appendix and the published tensors' names; functions of a state dict `w`, no modules.

    import torch, autoencoder
    w = autoencoder.random_state(draw, "name", widths=(4, 8), latents=2)
    mean, logvar = autoencoder.encode(w, x, groups=2)
    image = autoencoder.decode(w, z, groups=2)
"""
import math

import torch
import torch.nn.functional as F


def layer(w, name):
    return w[name + ".weight"], w[name + ".bias"]


def conv(w, name, x):
    weight, bias = layer(w, name)
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def norm(w, name, x, groups):
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)
    mean, var = grouped.mean(-1, keepdim=True), grouped.var(-1, keepdim=True, unbiased=False)
    scale, shift = layer(w, name)
    normed = ((grouped - mean) / torch.sqrt(var + 1e-6)).reshape(x.shape)
    return normed * scale[:, None, None] + shift[:, None, None]


def swish(x):
    return x * torch.sigmoid(x)


def residual(w, name, x, groups):
    h = conv(w, name + ".conv1", swish(norm(w, name + ".norm1", x, groups)))
    h = conv(w, name + ".conv2", swish(norm(w, name + ".norm2", h, groups)))
    if name + ".conv_shortcut.weight" in w:
        x = conv(w, name + ".conv_shortcut", x)
    return x + h


def attention(w, name, x, groups):
    B, C, H, W = x.shape
    pixels = norm(w, name + ".group_norm", x, groups).reshape(B, C, H * W).transpose(1, 2)
    q, k, v = (F.linear(pixels, *layer(w, f"{name}.to_{a}")) for a in "qkv")
    p = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(C), dim=-1)
    y = F.linear(p @ v, *layer(w, name + ".to_out.0"))
    return x + y.transpose(1, 2).reshape(x.shape)


def middle(w, half, x, groups):
    x = residual(w, half + ".mid_block.resnets.0", x, groups)
    x = attention(w, half + ".mid_block.attentions.0", x, groups)
    return residual(w, half + ".mid_block.resnets.1", x, groups)


def blocks(w, name, x, groups):
    i = 0
    while f"{name}.resnets.{i}.conv1.weight" in w:
        x = residual(w, f"{name}.resnets.{i}", x, groups)
        i += 1
    return x


def encode(w, x, groups):
    x = conv(w, "encoder.conv_in", x)
    level = 0
    while f"encoder.down_blocks.{level}.resnets.0.conv1.weight" in w:
        x = blocks(w, f"encoder.down_blocks.{level}", x, groups)
        down = f"encoder.down_blocks.{level}.downsamplers.0.conv"
        if down + ".weight" in w:
            x = F.conv2d(F.pad(x, (0, 1, 0, 1)), *layer(w, down), stride=2)
        level += 1
    x = middle(w, "encoder", x, groups)
    x = conv(w, "encoder.conv_out", swish(norm(w, "encoder.conv_norm_out", x, groups)))
    return conv(w, "quant_conv", x).chunk(2, dim=1)


def decode(w, z, groups):
    x = conv(w, "decoder.conv_in", conv(w, "post_quant_conv", z))
    x = middle(w, "decoder", x, groups)
    level = 0
    while f"decoder.up_blocks.{level}.resnets.0.conv1.weight" in w:
        x = blocks(w, f"decoder.up_blocks.{level}", x, groups)
        up = f"decoder.up_blocks.{level}.upsamplers.0.conv"
        if up + ".weight" in w:
            x = conv(w, up, x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
        level += 1
    return conv(w, "decoder.conv_out", swish(norm(w, "decoder.conv_norm_out", x, groups)))


def loss(w, x, e, kl_weight, groups):
    """mean |x - D(z)| + w KL / N  [LDM's LPIPSWithDiscriminator without its other terms]"""
    mean, logvar = encode(w, x, groups)
    q = torch.distributions.Normal(mean, logvar.clamp(-30, 20).mul(0.5).exp())
    z = q.loc + q.scale * e
    image = decode(w, z, groups)
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    kl = kl.sum(dim=(1, 2, 3)).mean()
    error = (x - image).abs().mean()
    return {"z": z, "image": image, "error": error, "kl": kl,
            "loss": error + kl_weight * kl / x[0].numel()}


# --- weights ------------------------------------------------------------------------------------

def shapes(widths, latents, n_blocks):
    """Name of each layer and the shape of its weight."""
    out, levels = {}, len(widths)

    def put(name, *shape):
        out[name] = shape

    def put_residual(name, n_out, n_in):
        put(name + ".norm1", n_in)
        put(name + ".conv1", n_out, n_in, 3, 3)
        put(name + ".norm2", n_out)
        put(name + ".conv2", n_out, n_out, 3, 3)
        if n_out != n_in:
            put(name + ".conv_shortcut", n_out, n_in, 1, 1)

    for half in "encoder", "decoder":
        order = widths if half == "encoder" else widths[::-1]
        top = widths[-1]
        width = widths[0] if half == "encoder" else top
        put(half + ".conv_in", width, 3 if half == "encoder" else latents, 3, 3)
        for level, n_out in enumerate(order):
            name = f"{half}.{'down' if half == 'encoder' else 'up'}_blocks.{level}"
            for i in range(n_blocks + (half == "decoder")):
                put_residual(f"{name}.resnets.{i}", n_out, width)
                width = n_out
            if level + 1 < levels:
                sampler = "downsamplers" if half == "encoder" else "upsamplers"
                put(f"{name}.{sampler}.0.conv", width, width, 3, 3)
        for i in range(2):
            put_residual(f"{half}.mid_block.resnets.{i}", top, top)
        put(half + ".mid_block.attentions.0.group_norm", top)
        for a in "to_q", "to_k", "to_v", "to_out.0":
            put(f"{half}.mid_block.attentions.0.{a}", top, top)
        put(half + ".conv_norm_out", width)
        put(half + ".conv_out", 2 * latents if half == "encoder" else 3, width, 3, 3)
    put("quant_conv", 2 * latents, 2 * latents, 1, 1)
    put("post_quant_conv", latents, latents, 1, 1)
    return out


def random_state(draw, name, widths, latents, n_blocks=1):
    """float32 weights at a scale at which every part matters; none is zero."""
    state = {}
    for layer_name, shape in shapes(widths, latents, n_blocks).items():
        fan_in = math.prod(shape[1:])
        weight = draw(f"{name}/{layer_name}.weight", *shape) / math.sqrt(fan_in)
        state[layer_name + ".weight"] = weight if len(shape) > 1 else 1 + 0.3 * weight
        state[layer_name + ".bias"] = 0.3 * draw(f"{name}/{layer_name}.bias", shape[0])
    return state
