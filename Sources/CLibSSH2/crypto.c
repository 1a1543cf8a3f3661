#define OPENSSL_SUPPRESS_DEPRECATED
#include "CLibSSH2.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>
#include <string.h>

// The calls below are those that libssh2 makes: what OpenSSL looks up and caches differs from one to the next.

bool coord_ssh2_sha256(const void *bytes, size_t count, unsigned char digest[32]) {
    unsigned int size = 32;
    return EVP_Digest(bytes, count, digest, &size, EVP_sha256(), NULL) == 1 && size == 32;
}

static EVP_PKEY *generate(int type) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(type, NULL);
    if (context && EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_keygen(context, &key) != 1) key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

static bool exchange_keys(void) {
    unsigned char raw[32], shared[32];
    size_t raw_size = sizeof raw, shared_size = sizeof shared;
    EVP_PKEY *own = generate(EVP_PKEY_X25519);
    EVP_PKEY *peer = generate(EVP_PKEY_X25519);
    EVP_PKEY *peer_public = NULL;
    EVP_PKEY_CTX *context = NULL;
    bool done = own && peer && EVP_PKEY_get_raw_public_key(peer, raw, &raw_size) == 1;
    if (done) peer_public = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, raw, raw_size);
    if (done) context = EVP_PKEY_CTX_new(own, NULL);
    done = done && peer_public && context && EVP_PKEY_derive_init(context) == 1
        && EVP_PKEY_derive_set_peer(context, peer_public) == 1
        && EVP_PKEY_derive(context, shared, &shared_size) == 1;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer_public);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(own);
    return done;
}

static bool sign_and_verify(void) {
    static const unsigned char text[] = "session identifier";
    unsigned char raw[32], signature[64];
    size_t raw_size = sizeof raw, signature_size = sizeof signature;
    EVP_PKEY *generated = generate(EVP_PKEY_ED25519);
    EVP_PKEY *private_key = NULL, *public_key = NULL;
    EVP_MD_CTX *signing = EVP_MD_CTX_new(), *verifying = EVP_MD_CTX_new();
    bool done = generated && signing && verifying
        && EVP_PKEY_get_raw_private_key(generated, raw, &raw_size) == 1;
    if (done) private_key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, raw_size);
    raw_size = sizeof raw;
    done = done && private_key && EVP_PKEY_get_raw_public_key(generated, raw, &raw_size) == 1;
    if (done) public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, raw_size);
    done = done && public_key
        && EVP_DigestSignInit(signing, NULL, NULL, NULL, private_key) == 1
        && EVP_DigestSign(signing, signature, &signature_size, text, sizeof text) == 1
        && EVP_DigestVerifyInit(verifying, NULL, NULL, NULL, public_key) == 1
        && EVP_DigestVerify(verifying, signature, signature_size, text, sizeof text) == 1;
    EVP_MD_CTX_free(verifying);
    EVP_MD_CTX_free(signing);
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(private_key);
    EVP_PKEY_free(generated);
    return done;
}

// Hosts that have no ed25519 key: ecdsa on P-256, as libssh2 verifies it.
static bool sign_with_curve(void) {
    unsigned char digest[32] = {1}, signature[128];
    unsigned int size = sizeof signature;
    EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    bool done = key && EC_KEY_generate_key(key) == 1
        && ECDSA_sign(0, digest, sizeof digest, signature, &size, key) == 1
        && ECDSA_verify(0, digest, sizeof digest, signature, (int)size, key) == 1;
    EC_KEY_free(key);
    return done;
}

static bool digest(const EVP_MD *kind) {
    unsigned char text[64] = {0}, result[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context && EVP_DigestInit(context, kind) == 1
        && EVP_DigestUpdate(context, text, sizeof text) == 1
        && EVP_DigestFinal(context, result, &size) == 1;
    EVP_MD_CTX_free(context);
    return done;
}

static bool authenticate(const EVP_MD *kind) {
    unsigned char key[64] = {0}, result[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC_CTX *context = HMAC_CTX_new();
    bool done = context && HMAC_Init_ex(context, key, EVP_MD_get_size(kind), kind, NULL) == 1
        && HMAC_Update(context, key, sizeof key) == 1
        && HMAC_Final(context, result, &size) == 1;
    HMAC_CTX_free(context);
    return done;
}

static bool encrypt(const EVP_CIPHER *kind) {
    unsigned char key[32] = {0}, vector[16] = {0}, block[16] = {0}, result[16];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = context && EVP_CipherInit(context, kind, key, vector, 1) == 1
        && EVP_Cipher(context, result, block, sizeof block) >= 0;
    EVP_CIPHER_CTX_free(context);
    return done;
}

bool coord_ssh2_warm_up(void) {
    unsigned char cookie[16];
    bool done = RAND_bytes(cookie, sizeof cookie) == 1;
    done = exchange_keys() && done;
    done = sign_and_verify() && done;
    done = sign_with_curve() && done;
    // libssh2 makes a digest of each kind of the host key, whatever it is asked for.
    done = digest(EVP_get_digestbyname("md5")) && done;
    done = digest(EVP_get_digestbyname("sha1")) && done;
    done = digest(EVP_get_digestbyname("sha256")) && done;
    done = digest(EVP_get_digestbyname("sha512")) && done;
    done = authenticate(EVP_sha256()) && done;
    done = authenticate(EVP_sha512()) && done;
    done = encrypt(EVP_aes_256_ctr()) && done;
    done = encrypt(EVP_aes_128_ctr()) && done;
    return done;
}
