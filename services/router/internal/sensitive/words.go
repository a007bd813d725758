package sensitive

import "strings"

// phrases by their first byte.
var phrases = func() (index [256][]phrase) {
	for means, list := range vocabulary {
		for _, words := range strings.Split(list, ",") {
			p := phrase{words: strings.TrimSpace(words), means: means}
			if cut, ok := strings.CutSuffix(p.words, "$"); ok {
				p.words, p.whole = cut, true
			}
			index[p.words[0]] = append(index[p.words[0]], p)
		}
	}
	return index
}()

// vocabulary is what words mean. They are in small letters and match the beginnings of words; one that ends with $ only
// as a whole.
var vocabulary = map[topics]string{
	ofCard: `card$, cards$, cardnumber, card number, card no, cc$, ccnum, visa$, mastercard, amex, american express, maestro,
		unionpay, discover$, diners, jcb$, credit card, creditcard, debit card, debitcard, debit, credit, pan$, kreditkarte,
		karte$, kartennummer, carte$, carte bancaire, carte bleue, carte de cr, cb$, tarjeta, cartão, cartao, carta di cr, carta$,
		karta$, karty$, kartą, kaart, kort$, kortnummer, kredi kart, карт, 信用卡, 银行卡, 銀行卡, 卡号, 卡號, カード, 카드, बैंक कार्ड,
		कार्ड, بطاقة, כרטיס, cvv$, cvc$, expiry$, exp date`,
	// ofPay are the words of paying: what stands beside them is a card's number rather than an order's.
	ofPay: `paid$, pay$, pays$, paying, payment, payer$, payable, prepaid, charge, refund, billed, billing, debit, credit, purchase, checkout, chargeback,
		bezahl, gezahlt, zahlung, zahlen, belast, abgebucht, abbuch, erstatt, beglich, begleich, payé, payée, réglé, paiement, rembours, débit, prélev,
		pagar, pagad, pagué, pagó, pago$, paga$, pagam, pagat, cobr, cargad, cargo$, reembols, rimbors, addebit, betaal, betaling, afgeschreven,
		opłac, zapłac, płatn, obciąż, betalt, betald, betal, ödeme, ödendi, оплат, плати, списа, возврат, 支付, 付款, 退款, 扣款, 刷卡, 支払, 返金, 決済, 결제, 환불,
		भुगतान, دفع, תשלום`,
	ofSSN: `ssn$, ss#, ssns, social security, social sec, soc sec, socialsecurity, itin$, tax id, taxpayer, tin$, seguro social,
		social$, last four of`,
	ofID: `national id, nationalid, national ident, national insurance, uk ni, insurance no, insurance number, nino$,
		ni number, ni no, id number, id no, id card, identity, identification, identifier number, personal id,
		personal number, personal code, personal identity, citizen id, government id, resident id, residence,
		tax id, tax number, tax no, taxpayer, social insurance, social security, nhs number, medicare,
		health number, health card, health insurance, tax file, medicare, personalausweis, ausweis, steuer, idnr,
		steuerid, identifikationsnummer, svnr, sozialversicherung, rentenversicherung, versicherungsnummer,
		krankenversicherung, bsn nummer, burgerservice, sofinummer, rijksregister, registre national,
		numéro national, insee, numéro de sécu, sécurité sociale, securite sociale, sécu, documento, identidad,
		identidade, identità, identita, cédula, cedula, curp, cuit, contribuinte, contribuente, codice fiscale,
		cod fisc, cpf, cnpj, cadastro, partita iva, pesel, regon, dowod, dowód, numer identyfikacyjny,
		personnummer, personnr, person nr, samordningsnummer, fødselsnummer, fodselsnummer, cpr nummer,
		henkilötunnus, isikukood, asmens kod, personas kod, rodné, rodne, rč$, cod numeric, егн, jmbg, emšo, emso,
		adóazon, adoazon, személyi, αμκα, αφμ, aadhaar, aadhar, adhar, uidai, आधार, pan card, pan number,
		permanent account, abha, nric$, hkid, mykad, kimlik, tckn, tc no, t.c., iqama, emirates, cnic, my number,
		mynumber, マイナンバー, 個人番号, 身份证, 身份證, 证件号, 身分証, 身分證, 公民身份, 주민등록, 주민번호, инн$, снилс, паспорт, удостоверен,
		рнокпп, ідентифікаційн, идентификационн, ת.ז, תעודת זהות, מספר זהות, israeli id, teudat, ת"ז, هوية, الهوية,
		ppsn, pps number, south african id`,
	ofBriefID: `tin$, utr$, sin$, ssn$, nhs$, tfn$, ird$, ahv, avs, bsn$, insz, niss, nir$, dni$, nie$, nif$, cif$, rfc$,
		rut$, run$, cuil, cf$, nip$, fnr$, cpr$, hetu$, cnp$, egn$, oib$, taj$, amka, afm$, pan$, fin$, nik$, ktp$,
		pps$`,
	ofPassport: `passport, reisepass, passnummer, passeport, pasaporte, passaporto, passaporte, paspoort, paszport, pasaport,
		pass nr, паспорт, 护照, 護照, パスポート, 旅券, 여권, جواز, דרכון`,
	ofLicence: `driver licen, drivers licen, driver's licen, driver’s licen, driving licen, license number, licence number,
		licence no, dl number, dl#, dvla, voter id, voter card, epic no, führerschein, fuehrerschein, permis de conduire, permiso de conducir, carnet de conducir,
		licencia de conducir, patente di guida, rijbewijs, prawo jazdy, cnh$, körkort, carta de condução`,
	ofBirth: `born, dob$, d.o.b, date of birth, birth$, birthday, birthdate, birth date, birthplace, bday, geboren, geburt, geb$, né le, née le, nee le, ne le,
		date de naissance, naissance, nacimiento, nací, nacido, nacida, naci$, nascimento, nasci$, nascido, nascida, nascita,
		nato il, nata il, nato a, geboorte, geb.datum, urodz, ur., data urodzenia, född, fødselsdato, født, syntymä, narozen,
		doğum, рожден, родился, родилась, р.$, 出生, 生日, 生年月日, 誕生日, 生まれ, 생년월일, 태어, जन्म, ميلاد, תאריך לידה, נולד`,
	ofPhone: `phone, phones$, telephone, tel$, tél$, telefon, téléphone, teléfono, telefono, telefone, mobile, mobil$,
		mobilnummer, cell$, cell phone, cellphone, cellular, cellulare, celular, call$, call me, call us, call her, call him, call them, call at, call on, callback, ring$, dial$, dial the, dialed, dialled, fax, whatsapp, whats app, sms$,
		text me, text him, text her, texted, reach, contact, hotline, handy, portable$, appel, rappel, móvil, movil, llám, llam,
		ligue, ligar, ligo, điện thoại, sđt$, zalo, โทร, เบอร์, chiam, numero di tel, bel$, bellen, tlf, mob$, ph$, zadzwo, numer tel, komórk, puhelin, telefonnummer,
		viber, signal$, тел, звон, моб, 电话, 電話, 手机, 手機, 联系, 聯絡, 携帯, 連絡, 전화, 연락, 휴대, फ़ोन, फोन, मोबाइल, هاتف,
		جوال, טלפון, נייד, cep tel, ☎, 📞, 📱, ☏, anrufen, rufen sie, ruf mich, erreichbar, rückruf`,
	ofBank: `bank, checking, savings account, sort code, sortcode, account number, account no, acct, a/c, bsb$, ifsc, swift, bic$,
		kontonummer, konto nr, konto$, kto, blz$, bankleitzahl, rekening, compte bancaire, rib$, cuenta bancaria, conta corrente,
		conta bancária, conto corrente, numer konta, rachun, clabe, beneficiary, wire, direct deposit, 账号, 賬號, 口座, 계좌`,
	ofRouting: `routing, aba$, rtn$, transit`,
	ofIP:      `ip$, ips$, ipv4, ipv6, ip address, ip addr, ip adress, adresse ip, dirección ip, client, visitor, login, logged in, signed in, ssh$, connection from`,
	ofCedula:  `dni$, cédula, cedula, documento nacional, documento de identidad`,
	ofSteuer:  `steuernummer, steuernr, steuer-nr, st-nr, st.-nr`,
	ofCCCD:    `cccd, cmnd, căn cước, chứng minh nhân dân`,
	ofCompany: `partita iva, p.iva, p. iva, piva$, vat number, vat no`,
	ofHealth:  `nhs, health number, health card, health service`,
	ofHost:    `server, host, dns, ping, address, addr, network, gateway, subnet, proxy, firewall, nslookup, traceroute, resolver, nameserver, cidr, adresse, dirección, serveur, servidor, сервер, адрес, 服务器, 地址, サーバ, 서버`,
	ofExample: `example, documentation, rfc$, sample, placeholder, dummy, docs$, beispiel, exemple, ejemplo`,
	ofOther: `created, updated, modified, expires, expiry, iat$, order, orders$, invoice, ticket, tracking, track, shipment, parcel, sku$, part no, part number, part$, item, product,
		serial, s/n, model$, version, release, build, commit, revision, isbn, issn, ean$, upc$, gtin, barcode, asin$, doi$, case,
		ref$, ref., reference, confirmation, booking, reservation, transaction, txn$, timestamp, epoch, unix, time$, millis, nanos, hash, checksum,
		sha$, sha1, sha256, md5, crc$, uuid, guid, imei, imsi, iccid, meid$, vin$, catalog, lot$, batch, job$, run$, pid$, port$, size$, bytes$, offset, row$, line$,
		article, artikel, bestell, auftrag, rechnung, vorgang, seriennummer, lieferung, sendung, paket, chargennummer, commande, facture, suivi,
		colis, pedido, factura, seguimiento, referencia, fatura, encomenda, ordine, fattura, spedizione, bestelling, factuur,
		zamówien, faktur, przesył, заказ, счет, счёт, номер заказа, 订单, 訂單, 运单, 単号, 注文, 주문, score, price, amount, total$, population, distance`,
}
