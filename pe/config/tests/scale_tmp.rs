#[test]
fn scale() {
    let n = 10_000;
    let mut t = String::from(
        "crypto isakmp policy 1\n encr aes\n auth pre\n group 14\ncrypto ipsec transform-set T esp-gcm\n",
    );
    for i in 0..n {
        let (a, b) = (i / 250, i % 250);
        t += &format!(
            "ip vrf v{i}\n rd 1:{i}\n route-target both 1:{i}\ncrypto keyring k{i}\n pre-shared-key address 11.0.{a}.{b} key k{i}\ncrypto isakmp profile p{i}\n vrf v{i}\n keyring k{i}\n match identity address 11.0.{a}.{b} 255.255.255.255\ncrypto map M {} ipsec-isakmp\n set peer 11.0.{a}.{b}\n set transform-set T\n set isakmp-profile p{i}\n match address A{i}\nip access-list extended A{i}\n permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\nip route vrf v{i} 10.2.0.0 255.255.0.0 172.18.1.2 global\n",
            i + 1
        );
    }
    t += "interface e\n ip address 172.18.1.1 255.255.255.0\n crypto map M\n";
    let now = std::time::Instant::now();
    let c = config::parse(&t).unwrap_or_else(|f| panic!("{}", config::report("f", &t, &f[..1]))).config;
    println!("parse {:?} {} lines", now.elapsed(), t.lines().count());
    let now = std::time::Instant::now();
    let p = config::print(&c);
    println!("print {:?}", now.elapsed());
    assert!(config::parse(&p).ok().unwrap().config == c);
}
