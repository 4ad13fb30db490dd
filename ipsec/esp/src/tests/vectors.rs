//! Packets that others published.

use crypto::prf::Hash;

use super::*;

/// One of draft-mcgrew-gcm-test-01: key, nonce (salt and IV), associated data, clear text, sealed text.
type GcmCase = (&'static str, &'static str, &'static str, &'static str, &'static str);

#[test]
fn gcm_packets_of_its_author_open_with_32_and_64_bit_numbers() {
    for (key, nonce, associated, clear, sealed) in GCM {
        let (key, nonce, associated, clear) = (hex(key), hex(nonce), hex(associated), hex(clear));
        let (spi, number) = associated.split_at(4);
        let esn = number.len() == 8;
        let sequence = number.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        let cipher = Cipher::AesGcm(u16::try_from(key.len() * 8).unwrap());
        let mut sa = sa(Suite { cipher, integrity: Integrity::None }, Replay { window: 64, esn });
        sa.keys.cipher = [&key, &nonce[..4]].concat().into();

        let packet = [spi, &number[number.len() - 4..], &nonce[4..], &hex(sealed)].concat();
        let mut inbound = Inbound::resume(&sa, sequence - 1).unwrap();
        let (payload, next_header) = open(&mut inbound, &packet).unwrap();
        let [.., pad, next] = clear[..] else { panic!("no trailer") };
        assert_eq!(payload, clear[..clear.len() - 2 - usize::from(pad)]);
        assert_eq!(next_header, next);
        assert_eq!(inbound.sequence(), sequence);
        assert_eq!(open(&mut inbound, &packet), Err(Refusal::Replayed));
    }
}

/// RFC 7634 appendix A: an ICMP echo under ChaCha20-Poly1305.
#[test]
fn a_chacha_packet_of_rfc_7634_opens() {
    let mut sa = sa(Suite { cipher: Cipher::ChaCha20Poly1305, integrity: Integrity::None }, Replay::DEFAULT);
    sa.keys.cipher = (0x80..0xa4).collect::<Vec<u8>>().into();
    let packet = hex("01020304 00000005 1011121314151617
         24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7
         2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0
         76aaa8266b7fb0f7b11b369907e1ad43");
    let echo = hex("45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f
         101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637");
    let mut inbound = Inbound::new(&sa).unwrap();
    assert_eq!(open(&mut inbound, &packet), Ok((echo, 4)));
    assert_eq!(inbound.sequence(), 5);
}

/// Counter mode (RFC 3686) behind XCBC and CMAC, taken apart with the bare algorithms.
#[test]
fn a_packet_in_counter_mode_is_iv_key_stream_and_mac() {
    for (integrity, mac) in [
        (Integrity::AesXcbc, crypto::mac::Mac::xcbc as fn(&[u8]) -> _),
        (Integrity::AesCmac, crypto::mac::Mac::cmac),
    ] {
        let sa = sa(Suite { cipher: Cipher::AesCtr(256), integrity }, Replay { window: 64, esn: true });
        let mut sealed = seal(&mut Outbound::resume(&sa, 41).unwrap(), b"hello", 4).unwrap();
        assert_eq!(sealed[8..16], 42_u64.to_be_bytes(), "the IV is the number");
        let (signed, icv) = sealed.split_at_mut(8 + 8 + 8);
        let mut whole = [0; 16];
        mac(sa.keys.integrity.expose()).unwrap().tag(signed, &[0; 4], &mut whole);
        assert_eq!(*icv, whole[..12], "{integrity}");
        crypto::ctr::Ctr::new(sa.keys.cipher.expose())
            .unwrap()
            .apply(42_u64.to_be_bytes(), &mut signed[16..]);
        assert_eq!(signed[16..], *b"hello\x01\x01\x04");
    }
}

/// RFC 3602 section 4, cases 5 to 8, behind which an ICV of ours stands: the RFC has none.
#[test]
fn aes_cbc_packets_of_rfc_3602_open() {
    for (key, packet, payload, next_header) in AES_CBC {
        let suite = Suite { cipher: Cipher::AesCbc(128), integrity: Integrity::Sha1 };
        let mut sa = sa(suite, Replay::DEFAULT);
        sa.keys.cipher = hex(key).into();
        let packet = authenticated(&hex(packet), &sa, Hash::Sha1, 12);
        let mut inbound = Inbound::new(&sa).unwrap();
        assert_eq!(open(&mut inbound, &packet), Ok((hex(payload), next_header)));
    }
}

/// With the NULL cipher every byte can be told beforehand.
#[test]
fn a_packet_is_spi_sequence_payload_padding_trailer_and_the_start_of_the_hmac() {
    for (integrity, hash, icv) in [
        (Integrity::Md5, Hash::Md5, 12),
        (Integrity::Sha1, Hash::Sha1, 12),
        (Integrity::Sha256, Hash::Sha256, 16),
        (Integrity::Sha384, Hash::Sha384, 24),
        (Integrity::Sha512, Hash::Sha512, 32),
    ] {
        for esn in [false, true] {
            let sa = sa(Suite { cipher: Cipher::Null, integrity }, Replay { window: 64, esn });
            let used = if esn { 0x0000_0007_ffff_ffff } else { 0x0a0b_0c0c };
            let sealed = seal(&mut Outbound::resume(&sa, used).unwrap(), b"hello", 4).unwrap();
            let (low, high) = if esn { ("00000000", "00000008") } else { ("0a0b0c0d", "") };
            let signed = hex(&["00100203", low, "68656c6c6f 01 01 04"].concat());
            let whole = hash.hmac(sa.keys.integrity.expose(), &[&signed, &hex(high)]);
            assert_eq!(sealed, [&signed, &whole.expose()[..icv]].concat(), "{integrity} {esn}");
        }
    }
}

#[test]
fn the_iv_of_cbc_is_the_encrypted_number_and_that_of_gcm_the_number() {
    let suite = Suite { cipher: Cipher::AesCbc(256), integrity: Integrity::Sha256 };
    let cbc = sa(suite, Replay::DEFAULT);
    let sealed = seal(&mut Outbound::resume(&cbc, 41).unwrap(), &[0; 64], 4).unwrap();
    let mut iv: [u8; 16] = sealed[8..24].try_into().unwrap();
    crypto::cbc::decrypt(crypto::cbc::Block::Aes256, cbc.keys.cipher.expose(), &[0; 16], &mut iv).unwrap();
    assert_eq!(u128::from_be_bytes(iv), 42);

    let gcm = sa(Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None }, Replay::DEFAULT);
    let sealed = seal(&mut Outbound::resume(&gcm, 41).unwrap(), &[0; 64], 4).unwrap();
    assert_eq!(sealed[8..16], 42_u64.to_be_bytes());
}

/// `packet` with the HMAC of all of it behind.
pub(super) fn authenticated(packet: &[u8], sa: &Sa, hash: Hash, icv: usize) -> Vec<u8> {
    let whole = hash.hmac(sa.keys.integrity.expose(), &[packet]);
    [packet, &whole.expose()[..icv]].concat()
}

const AES_CBC: [(&str, &str, &str, u8); 4] = [
    (
        "90d382b4 10eeba7a d938c46c ec1a82bf",
        "00004321 00000001 e96e8c08ab465763fd098d45dd3ff893
         f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52
         775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6",
        "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627
         28292a2b2c2d2e2f3031323334353637",
        1,
    ),
    (
        "90d382b4 10eeba7a d938c46c ec1a82bf",
        "00004321 00000008 69d08df7d203329db093fc4924e5bd80
         f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75",
        "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777",
        1,
    ),
    (
        "01234567 89abcdef 01234567 89abcdef",
        "00008765 00000002 f4e765244f6407adf13dc1380f673f37
         773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c6
         47752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
        "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111213
         1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
        4,
    ),
    (
        "01234567 89abcdef 01234567 89abcdef",
        "00008765 00000005 85d47224b5f3dd5d2101d4ea8dffab22
         15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639
         b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
        "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffff
         ffffffffffffffffffffffffffffffffffffffff",
        4,
    ),
];

const GCM: [GcmCase; 14] = [
    (
        "4c80cdefbb5d10da906ac73c3613a634",
        "2e443b68 4956ed7e3b244cfe",
        "00004321 8765432100000000",
        "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f7564700373
         69700963796265726369747902646b000021000101020201",
        "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d
         15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732 459018148f6cbe722fd04796562dfdb4",
    ),
    (
        "feffe9928665731c6d6a8f9467308308",
        "cafebabe facedbaddecaf888",
        "0000a5f8 0000000a",
        "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d0010000010000000000000373697009637962
         65726369747902646b00000100010001",
        "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642
         cfbb85a5b47e48a4ec3b9ba95d918bd1 83b70d3aa8bc6ee4c309e9d85a41ad4a",
    ),
    (
        "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
        "11223344 0102030405060708",
        "4a2cbfe3 00000002",
        "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b401010402
         01020201",
        "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d
         ef842d8e b335f4eecfdbf831824b4c4915956c96",
    ),
    (
        "00000000000000000000000000000000",
        "00000000 0000000000000000",
        "00000000 00000001",
        "4500003c99c500008001cb7a40679318010101010800075c020044006162636465666768696a6b6c6d6e6f7071727374
         75767761626364656667686901020201",
        "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284456476492719ffb64de7d9dca1e1d894
         bc3bd57873ed4d181d19d4d5c8c18af3 f821d496eeb096e98ad2b69e4799c71d",
    ),
    (
        "3de09874b388e6491988d0c3607eae1f",
        "57690e43 4e280000a2fca1a3",
        "42f67e3f 1010101010101010",
        "4500003c99c300008001cb7c40679318010101010800085c020043006162636465666768696a6b6c6d6e6f7071727374
         75767761626364656667686901020201",
        "fba2caa4853cf9f0f22cb10d86dd83b0fec75691cf1a04b00d1138ec9c35791765acbd8701ad79845bf9fe3fba487bc9
         1755e6662b4c8d0d1f5e22739530320a e0d731cc978ecafaeae88f00e80d6e48",
    ),
    (
        "3de09874b388e6491988d0c3607eae1f",
        "57690e43 4e280000a2fca1a3",
        "42f67e3f 1010101010101010",
        "4500001c42a200008001441f406793b6e00000020a00f5ff01020201",
        "fba2ca845e5df9f0f22c3e6e86dd831e1fc65792cd1af9130e1379ed 369f071f35e034be95f112e4e7d05d35",
    ),
    (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c",
        "cafebabe facedbaddecaf888",
        "0000a5f8 0000000a",
        "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
        "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77
         95457b9652037f5318027b5b4cd7a636",
    ),
    (
        "abbccddef00112233445566778899aab",
        "decaf888 cafedebaceface74",
        "00000100 0000000000000001",
        "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d500004e20001e8c18d75b81dc91baa047
         6b91b924b280389d92c963bac046ec959b6266c04722b14923010101",
        "18a6fd42f72cbf4ab2a2ea901f73d814e3e7f243d95412e1c349c1d2fbec168f9190feebaf2cb01984e65863965d7472
         b79da345e0e780191f0d2f0e0f496c226f2127b27db35724e7845d68 651f57e65f354f75ff17015769623436",
    ),
    (
        "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
        "73616c74 616e640169766563",
        "17405e67 156f3126dd0db99b",
        "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb71260250101f646d540001",
        "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e
         451626c2415771e3b7eebca614c89b35",
    ),
    (
        "3de09874b388e6491988d0c3607eae1f",
        "57690e43 4e280000a2fca1a3",
        "42f67e3f 1010101010101010",
        "45000049333e00007f119182c3fb1d10c2b1d326c02831ce0035cb458003025b000001e0001e8c18d65759d52284a035
         2c71475c8880391c764d6e5ee0496b325ae270c03899493915010101",
        "fba2cad12fc1f9f00d3cebf305410db83d7784b607323d220f24b0a97d54182800cadb0f68d99ef0e0c0c89ae9bea888
         4e52d65bc1afd0740f742444747b5b39ab533163aad4550ee5160975 cdb608c5769189609763b8e18caa81e2",
    ),
    (
        "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
        "73616c74 616e640169766563",
        "17405e67 156f3126dd0db99b",
        "636973636f0172756c657301746865016e6574776501646566696e6501746865746563686e6f6c6f6769657301746861
         7477696c6c01646566696e65746f6d6f72726f7701020201",
        "d4b7ed86a1777f2ea13d6973d324c69e7b43f826fb56831226508bebd2dceb18d0a6df10e5487df074113e14c641024e
         3e6773d91a62ee429b043a10e3efe6b012a49363412364f8 c0cac587f249e56b11e24f30e44ccc76",
    ),
    (
        "7d773d00c144c525ac619d18c84a3f47",
        "d9664267 43457e9182443bc6",
        "335467ae ffffffff",
        "01020201",
        "437f866b cb3f699fe9b0822bac961c4504bef270",
    ),
    (
        "abbccddef00112233445566778899aab",
        "decaf888 cafedebaceface74",
        "00000100 0000000000000001",
        "746f016265016f72016e6f7401746f0162650001",
        "29c9fc69a197d038ccdd14e2ddfcaa0543332164 412503524303ed3c6c5f283843af8c3e",
    ),
    (
        "6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961",
        "7475726e 333021696765746d",
        "796b6963 ffffffffffffffff",
        "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f7071727374
         01020201",
        "f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57dbe82
         1dcc63b9 d0937ba2945f669368661a329fb4c053",
    ),
];
